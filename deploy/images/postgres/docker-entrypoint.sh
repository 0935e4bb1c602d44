#!/bin/sh
# Makes a database cluster on the first start, then becomes the server. Understands, as the upstream image does:
#   POSTGRES_PASSWORD (or _FILE), POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA,
#   scripts in /docker-entrypoint-initdb.d, and arguments for the server (-c name=value).
set -eu
case "${1:-}" in
'' | -*) set -- postgres "$@" ;;
esac
# Something else than a server, a shell for instance.
[ "$1" = postgres ] || exec "$@"

fail() {
	echo "docker-entrypoint.sh: $*" >&2
	exit 1
}

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	find "$PGDATA" ! -user postgres -exec chown postgres {} +
	# su becomes the program, so that the server is what the container's signals reach.
	exec su -s /bin/sh -c 'exec "$0" "$@"' -- postgres "$0" "$@"
fi

# sql DATABASE ARGUMENT...: psql over the socket, as the superuser; stops at the first error.
sql() {
	on=$1
	shift
	PGHOST='' PGHOSTADDR='' psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host /var/run/postgresql --username "$user" --no-password --dbname "$on" "$@"
}

# quoted ARGUMENT...: the arguments as pg_ctl hands them to a shell.
quoted() {
	for word in "$@"; do
		printf "'%s' " "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"
	done
}

first_start() {
	[ -z "${POSTGRES_PASSWORD:-}" ] || [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || fail "POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set: expected one"
	password=${POSTGRES_PASSWORD:-}
	[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
	user=${POSTGRES_USER:-postgres}
	database=${POSTGRES_DB:-$user}
	method=${POSTGRES_HOST_AUTH_METHOD:-}
	[ -n "$password" ] || [ "$method" = trust ] ||
		fail "no password for the superuser: set POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust, with which anybody who reaches the port is superuser)"

	# The settings are what the upstream image compiles in; later ones count, so the user's stand. The password goes through a pipe:
	# into no file and no argument. eval, because the variable may quote its arguments.
	set_up="initdb --username=\"\$user\" --set=unix_socket_directories=/var/run/postgresql --set='listen_addresses=*' ${POSTGRES_INITDB_ARGS:-}"
	if [ -n "$password" ]; then
		printf '%s\n' "$password" | eval "$set_up --pwfile=/dev/stdin"
	else
		eval "$set_up"
	fi
	[ -n "$method" ] || method=$(postgres -C password_encryption "$@")
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

	# With the server's own arguments, but on the socket only: whoever waits for the port waits for the end of all this.
	pg_ctl --wait --options "$(quoted "$@") -c listen_addresses='' -p 5432" start
	if [ -z "$(printf "select 1 from pg_database where datname = :'name'" | sql postgres --set name="$database" --tuples-only --no-align)" ]; then
		printf 'create database :"name"' | sql postgres --set name="$database"
	fi
	for script in /docker-entrypoint-initdb.d/*; do
		case "$script" in
		*.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
		*.sql) sql "$database" --file "$script" ;;
		*.sql.gz) gunzip -c "$script" | sql "$database" ;;
		esac
	done
	pg_ctl --wait --mode fast stop
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	# Where images before 18 had it: whoever mounts a volume there would find nothing in it.
	if [ "$PGDATA" = "/var/lib/postgresql/$PG_MAJOR/docker" ] && [ -e /var/lib/postgresql/data ]; then
		fail "found /var/lib/postgresql/data, where this image keeps nothing: mount the volume at /var/lib/postgresql, or set PGDATA"
	fi
	# Without "postgres" itself.
	command=$1
	shift
	first_start "$@"
	set -- "$command" "$@"
fi
# The server needs none of it, and its environment can be read by whoever may look into the container.
unset POSTGRES_PASSWORD
exec "$@"
