from django.urls import path

from chappe.web.console.home import home
from chappe.web.console.live import live
from chappe.web.console.preference import set_language, set_theme

app_name = "console"

urlpatterns = [
    path("", home, name="home"),
    path("live/<slug:topic>/<int:subject>", live, name="live"),
    path("preference/language", set_language, name="language"),
    path("preference/theme", set_theme, name="theme"),
]
