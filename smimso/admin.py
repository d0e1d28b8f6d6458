from django.contrib import admin

admin.site.site_header = "SMIMSO"
admin.site.site_title = "SMIMSO"
admin.site.index_title = "Administration"
