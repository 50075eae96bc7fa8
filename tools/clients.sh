#!/usr/bin/env bash
# Foreign clients from PyPI that tests try the product with: `clients.sh FOLDER` installs what
# tests/requirements.txt names into a virtual environment there, once for each content of the file.
set -eu
cd "$(dirname "$0")/.."
folder=$1
wanted=$(sha256sum tests/requirements.txt)
[ "$(cat "$folder/installed" 2> /dev/null)" = "$wanted" ] && exit 0
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
echo "$wanted" > "$folder/installed"
