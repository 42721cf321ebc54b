"""Pages of people's accounts."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.generic import CreateView, UpdateView

from ..forms import ProfileForm, SignUpForm
from ..models import User
from .haste import limits_sign_ins


@method_decorator(limits_sign_ins, name="dispatch")
class SignUpView(CreateView):
    """A new account, signed in at once."""

    form_class = SignUpForm
    template_name = "registration/signup.html"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:  # type: ignore[override] # generic in the stubs alone
        login(self.request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
        return redirect(settings.LOGIN_REDIRECT_URL)


@method_decorator(limits_sign_ins, name="dispatch")
class LoginView(auth_views.LoginView):
    redirect_authenticated_user = True
    extra_context = {"site_name": settings.SITE_NAME}  # Django's would be the host name


class PasswordChangeView(auth_views.PasswordChangeView):
    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        # Together, so that whoever looks at both finds this browser's session made for the new password; else its
        # sockets would be closed with those of the others.
        with transaction.atomic():
            response = super().form_valid(form)
            self.request.session.save()
        return response


@method_decorator(limits_sign_ins, name="dispatch")
class PasswordResetView(auth_views.PasswordResetView):
    extra_email_context = {"site_name": settings.SITE_NAME}  # as above


class ProfileView(LoginRequiredMixin, SuccessMessageMixin, UpdateView):
    """How others see me."""

    form_class = ProfileForm
    template_name = "registration/profile.html"
    context_object_name = "person"  # Django's would be "user", which is the reader to the page around the form
    success_url = reverse_lazy("profile")
    success_message = "Saved."

    def get_object(self, queryset: QuerySet[User] | None = None) -> User:
        # A copy of its own: a refused change must not show in the page around the form.
        return User.objects.get(pk=self.request.user.pk or 0)
