#!/bin/sh
# Builds the images of --infra=docker from what this machine and Maven Central hold: for machines that reach no image
# registry. docs/images.md says what is in them and how they differ from the upstream images whose names they bear.
#
#   build.sh                        both images, unless they are there, built from these files
#   build.sh kafka | postgres       one of them
#   build.sh --missing              the Debian packages that a build needs and this machine lacks, on one line; builds nothing
#   REBUILD=1 build.sh              builds even if they are there
#
# An image of the same name that was not built by this script (a pulled one) is left alone, also with REBUILD=1.
set -eu
umask 022
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
. "$here/rootfs.sh"

if [ "${1:-}" = --missing ]; then
	missing_packages
	exit 0
fi

# digest_of FILE...: what an image is built from, as a short number; a label of the image, and thereby known of it later.
digest_of() {
	cat -- "$@" | sha256sum | cut -c1-16
}

# is_there TAG DIGEST: whether no build is needed, and a line saying why.
is_there() {
	built=$(docker image inspect --format '{{index .Config.Labels "lkbench.images"}}' "$1" 2>/dev/null) || return 1
	if [ -z "$built" ]; then
		echo "$1 is there and was not built here: left as it is"
		return 0
	fi
	[ -z "${REBUILD:-}" ] && [ "$built" = "$2" ] || return 1
	echo "$1 is there, built from these files: nothing to do"
}

# build NAME: fills a root filesystem (NAME/rootfs.sh) and makes an image of it (NAME/Dockerfile).
build() {
	. "$here/$1/rootfs.sh" # gives: tag, sources, arguments, owner, owned, fill
	digest=$(digest_of "$here/build.sh" "$here/rootfs.sh" "$here/$1/"* $sources)
	if is_there "$tag" "$digest"; then return 0; fi
	require_tools
	echo "building $tag from local files (not the upstream image)"
	began=$(date +%s)
	context=$work/$1
	mkdir -p "$context"
	new_rootfs "$context/rootfs"
	fill "$context/rootfs" "$context"
	pack "$context/rootfs" "$context/rootfs.tar" "$owner" $owned
	cp "$here/$1/Dockerfile" "$context/"
	printf '*\n!rootfs.tar\n!Dockerfile\n' >"$context/.dockerignore"
	old=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null) || old=
	# The network is not needed, and so cannot be needed unnoticed. The builder without BuildKit is in every engine and client.
	export DOCKER_BUILDKIT=0
	quietly "build $tag" docker build --quiet --force-rm --network none $arguments \
		--label lkbench.images="$digest" --tag "$tag" "$context"
	# What bore the name before is of no use to anybody, unless a container still needs it: then docker refuses.
	if [ -n "$old" ] && [ "$old" != "$(docker image inspect --format '{{.Id}}' "$tag")" ]; then
		docker image rm "$old" >/dev/null 2>&1 || true
	fi
	rm -rf "$context"
	size=$(docker image inspect --format '{{.Size}}' "$tag")
	echo "built $tag: $((size / 1000000)) MB in $(($(date +%s) - began)) s"
}

require_machine
require_engine
work=$(mktemp -d "${TMPDIR:-/tmp}/lkbench-images-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
[ $# -gt 0 ] || set -- kafka postgres
for name in "$@"; do
	case "$name" in
	kafka | postgres) build "$name" ;;
	*)
		echo "build.sh: expected kafka, postgres or --missing, got $name" >&2
		exit 2
		;;
	esac
done
