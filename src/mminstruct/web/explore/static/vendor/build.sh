#!/bin/sh
# Makes regl-scatterplot.js, the map's scatter component, as one module out of pinned npm packages, with the licences of
# all that is inside. Its result is in the repository: only who wants other versions runs this, and needs Node for it.
#
#     sh src/mminstruct/web/explore/static/vendor/build.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work/"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --silent
npx esbuild regl-scatterplot --bundle --format=esm --minify --legal-comments=none --outfile=regl-scatterplot.js
# What esbuild itself consists of is not inside.
for package in $(npm query ':not(:root)' | node -p 'JSON.parse(require("fs").readFileSync(0)).map(found => found.location).join("\n")' | sort); do
    case $package in *esbuild*) continue ;; esac
    node -p "const found = require('./$package/package.json'); '='.repeat(80) + '\n' + found.name + ' ' + found.version + ' (' + found.license + ')\n'"
    cat "$package"/LICENSE*
    echo
done > LICENSES.txt
cp regl-scatterplot.js LICENSES.txt "$here/"
