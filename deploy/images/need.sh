# Read by build.sh: what a build needs of the machine, and what to do where it is missing.

# require_machine: the programs in the images are those of this machine and of one architecture.
require_machine() {
	[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && return 0
	echo "the images can be built on Linux on x86-64 only, this is $(uname -s) on $(uname -m)." >&2
	echo "Where an image registry can be reached, none need be built: lkbench pulls them, or: docker pull apache/kafka:4.3.1; docker pull postgres:18" >&2
	exit 1
}

require_engine() {
	if ! command -v docker >/dev/null 2>&1; then
		echo "the command docker was not found. On Debian: sudo apt-get install docker.io" >&2
		exit 1
	fi
	problem=$(timeout 30 docker version --format '{{.Server.Version}}' 2>&1 >/dev/null) && return 0
	echo "no Docker engine answers at ${DOCKER_HOST:-unix:///var/run/docker.sock}: $problem" >&2
	echo "Start one (sudo systemctl start docker; without a service manager: sudo sh .ci/dockerd), or say in DOCKER_HOST where it is." >&2
	exit 1
}

require_tools() {
	missing=$(missing_packages)
	[ -z "$missing" ] && return 0
	echo "building the images needs what this machine lacks: sudo apt-get install$missing" >&2
	exit 1
}

# missing_packages: the Debian packages, each after a blank, or nothing. The engine is not among them.
missing_packages() {
	static_busybox >/dev/null || printf ' busybox-static'
	find_jdk >/dev/null || printf ' openjdk-17-jdk-headless'
	command -v mvn >/dev/null 2>&1 || printf ' maven'
	find_client >/dev/null || printf ' postgresql-client'
	command -v unzip >/dev/null 2>&1 || printf ' unzip'
	command -v xz >/dev/null 2>&1 || printf ' xz-utils'
}

# static_busybox: its path. One with shared libraries would need them in the image before anything else works there.
static_busybox() {
	b=$(command -v busybox) || return 1
	! ldd "$b" >/dev/null 2>&1 || return 1
	echo "$b"
}

# find_jdk: the home of a JDK of 17 or newer with jlink and the modules that jlink takes (newer JDKs may come without).
find_jdk() {
	tool=$(command -v jlink) && tool=$(dirname "$(dirname "$(readlink -f "$tool")")") || tool=
	for home in "${JAVA_HOME:-}" "$tool" /usr/lib/jvm/*; do
		[ -x "$home/bin/jlink" ] && [ -f "$home/jmods/java.base.jmod" ] || continue
		major=$("$home/bin/jlink" --version | cut -d. -f1)
		[ "${major%%-*}" -ge 17 ] || continue
		echo "$home"
		return 0
	done
	return 1
}

# find_client: the directory of psql and pg_isready themselves; Debian's /usr/bin/psql is a Perl script that chooses one.
find_client() {
	for bin in $(ls -rvd /usr/lib/postgresql/*/bin 2>/dev/null) /usr/pgsql-*/bin /usr/bin; do
		[ -x "$bin/psql" ] && [ -x "$bin/pg_isready" ] && ldd "$bin/psql" >/dev/null 2>&1 || continue
		echo "$bin"
		return 0
	done
	return 1
}
