"""Adapters between requests and services: pages, and the forms that work without script."""

from .accounts import LoginView, PasswordChangeView, PasswordResetView, ProfileView, SignUpView
from .addresses import favicon, upgrade_required
from .haste import limits_sign_ins
from .members import member_add, member_ban, member_remove, member_role, member_unban
from .messages import message_post, room, room_read
from .rooms import room_delete, room_join, room_leave, room_list, room_new, room_settings

__all__ = [
    "LoginView",
    "PasswordChangeView",
    "PasswordResetView",
    "ProfileView",
    "SignUpView",
    "favicon",
    "limits_sign_ins",
    "member_add",
    "member_ban",
    "member_remove",
    "member_role",
    "member_unban",
    "message_post",
    "room",
    "room_delete",
    "room_join",
    "room_leave",
    "room_list",
    "room_new",
    "room_read",
    "room_settings",
    "upgrade_required",
]
