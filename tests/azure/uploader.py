"""Sends an app as the SWA CLI's environment names it: in place of Microsoft's uploader, which no registry has."""

import io
import os
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
    for name, variable in (("site", "APP_LOCATION"), ("api", "API_LOCATION")):
        folder = Path(os.environ.get(variable) or "/nothing")
        for path in sorted(folder.rglob("*")):
            packed.write(path, f"{name}/{path.relative_to(folder)}")
environment = os.environ.get("DEPLOYMENT_ENVIRONMENT") or "production"
headers = {"authorization": os.environ["DEPLOYMENT_TOKEN"], "content-type": "application/zip"}
address = f"https://uploads.azurestaticapps.rehearsal/upload/{environment}"
try:
    urllib.request.urlopen(urllib.request.Request(address, archive.getvalue(), headers))
except urllib.error.HTTPError as error:
    sys.exit(f"the upload was refused: {error.code}")
print("Visit your site at: https://rehearsal")
