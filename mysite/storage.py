"""Static files for production: hashed names, compressed, cached for good."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, told to rewrite `import ... from "./x.js";` in modules as well."""

    support_js_module_import_aggregation = True
