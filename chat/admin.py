"""The chat in Django's admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.forms import ModelForm
from django.http import HttpRequest

from .models import Ban, Membership, Message, Room, User
from .views import limits_sign_ins

admin.site.login = limits_sign_ins(admin.site.login)  # type: ignore[method-assign]


@admin.register(User)
class PersonAdmin(UserAdmin):
    list_display = ("username", "display_name", "email", "is_active", "is_staff", "last_login")
    search_fields = ("username", "display_name", "email")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Chat", {"fields": ("display_name", "time_zone")}))


class MembershipInline(admin.TabularInline):
    model = Membership
    autocomplete_fields = ("user",)
    readonly_fields = ("joined",)
    extra = 0


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "kind", "archived", "last_seq", "last_posted")
    list_filter = ("kind", "archived")
    search_fields = ("name", "slug", "topic")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("head", "last_seq", "last_posted", "created")
    inlines = (MembershipInline,)

    def save_model(self, request: HttpRequest, obj: Room, form: ModelForm, change: bool) -> None:
        # Not the whole row: its numbers may have gone on since it was read, and must not be turned back.
        obj.save(update_fields=form.changed_data if change else None)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ("user", "room", "role", "muted", "last_read", "joined")
    list_filter = ("role", "muted")
    list_select_related = ("user", "room")
    search_fields = ("user__username", "room__name")
    autocomplete_fields = ("user", "room")
    readonly_fields = ("joined",)


@admin.register(Ban)
class BanAdmin(admin.ModelAdmin):
    """Whoever is banned here stays in the room until their membership is deleted, too."""

    list_display = ("user", "room", "by", "created")
    list_select_related = ("user", "room", "by")
    search_fields = ("user__username", "room__name")
    autocomplete_fields = ("user", "room", "by")
    readonly_fields = ("created",)


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    """To look at: a change made here would take no number of its room, and no open page would learn of it."""

    list_display = ("room", "seq", "author", "created", "edited", "deleted")
    list_filter = ("room",)
    list_select_related = ("room", "author")
    search_fields = ("text", "author__username", "room__name")
    date_hierarchy = "created"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        # Together with its room, but not by itself: a hole in the numbers would look like a loss.
        match = request.resolver_match
        return not (match and str(match.url_name).startswith("chat_message_"))
