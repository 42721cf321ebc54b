"""The pages of the chat and of people's accounts."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from . import views

chat_patterns = [
    path("", views.room_list, name="room_list"),
    path("new/", views.room_new, name="room_new"),
    path("<slug:slug>/", views.room, name="room"),
    path("<slug:slug>/join/", views.room_join, name="room_join"),
    path("<slug:slug>/leave/", views.room_leave, name="room_leave"),
    path("<slug:slug>/read/", views.room_read, name="room_read"),
    path("<slug:slug>/settings/", views.room_settings, name="room_settings"),
    path("<slug:slug>/delete/", views.room_delete, name="room_delete"),
    path("<slug:slug>/members/", views.member_add, name="member_add"),
    path("<slug:slug>/members/<int:user_id>/remove/", views.member_remove, name="member_remove"),
    path("<slug:slug>/members/<int:user_id>/ban/", views.member_ban, name="member_ban"),
    path("<slug:slug>/members/<int:user_id>/unban/", views.member_unban, name="member_unban"),
    path("<slug:slug>/members/<int:user_id>/role/", views.member_role, name="member_role"),
    path("<slug:slug>/messages/", views.message_post, name="message_post"),
]

urlpatterns = [
    # The rooms send somebody who is signed out to the log-in.
    path("", RedirectView.as_view(pattern_name="chat:room_list"), name="home"),
    path("rooms/", include((chat_patterns, "chat"))),
    path("accounts/signup/", views.SignUpView.as_view(), name="signup"),
    path("accounts/profile/", views.ProfileView.as_view(), name="profile"),
    path("accounts/login/", views.LoginView.as_view(), name="login"),
    path("accounts/password_change/", views.PasswordChangeView.as_view(), name="password_change"),
    path("accounts/password_reset/", views.PasswordResetView.as_view(), name="password_reset"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("favicon.ico", views.favicon),
    re_path(r"^ws/", views.upgrade_required),
]
