# Read by build.sh: how a root filesystem is put together. Programs come from this machine, with the libraries they are
# linked with; everything else is busybox.

# new_rootfs DIR: a shell, its tools, and the files that a C library reads.
new_rootfs() {
	rm -rf "$1"
	mkdir -p "$1/bin" "$1/usr/bin" "$1/usr/local/bin" "$1/etc" "$1/root" "$1/var" "$1/run" "$1/proc" "$1/sys" "$1/dev" "$1/tmp"
	chmod 1777 "$1/tmp"
	chmod 700 "$1/root"
	ln -s ../run "$1/var/run"
	install -m 755 "$(static_busybox)" "$1/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	ln -s ../../bin/env "$1/usr/bin/env"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\n' >"$1/etc/group"
	# Without it a program looks no name up in Docker's own DNS.
	printf 'hosts: files dns\n' >"$1/etc/nsswitch.conf"
	for library in libnss_files.so.2 libnss_dns.so.2; do
		add_files "$1" $(host_library "$library")
	done
}

# add_user DIR NAME ID HOME
add_user() {
	printf '%s:x:%s:%s::%s:/bin/sh\n' "$2" "$3" "$3" "$4" >>"$1/etc/passwd"
	printf '%s:x:%s:\n' "$2" "$3" >>"$1/etc/group"
	mkdir -p "$1$4"
}

# host_library NAME: its path on this machine, nothing if it has none.
host_library() {
	/sbin/ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ {print $NF; exit}'
}

# add_files DIR FILE...: copies of files of this machine, at their own paths.
add_files() {
	into=$1
	shift
	for file in "$@"; do
		if [ -e "$into$file" ]; then continue; fi
		mkdir -p "$into$(dirname "$file")"
		cp -L "$file" "$into$file"
	done
}

# add_libraries DIR FILE...: the shared libraries that the files are linked with, unless they lie in DIR already.
add_libraries() {
	into=$1
	shift
	for file in "$@"; do
		linked=$(ldd "$file" 2>/dev/null) || continue # no program, or one without libraries
		for library in $(echo "$linked" | awk '/not found/ {print $1}'); do
			# Java loads libjvm.so itself, from a directory that ldd does not know.
			if [ -z "$(find "$into" -name "$library")" ]; then
				echo "$file needs $library, which is missing on this machine" >&2
				exit 1
			fi
		done
		for library in $(echo "$linked" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// && $2 != "=>" {print $1}'); do
			case "$library" in
			"$into"/*) ;;
			*) add_files "$into" "$library" ;;
			esac
		done
	done
}

# pack DIR TAR ID PATH...: DIR as an archive in which the PATHs below it belong to user ID and all else to root. So the build
# itself needs no root.
pack() {
	from=$1 archive=$2 id=$3
	shift 3
	set -f # the paths are patterns for tar
	exclude=
	for path in "$@"; do exclude="$exclude --exclude=./$path"; done
	tar -C "$from" --numeric-owner --sort=name --owner=0 --group=0 $exclude -cf "$archive" .
	for path in "$@"; do
		tar -C "$from" --numeric-owner --sort=name --owner="$id" --group="$id" -rf "$archive" "./$path"
	done
	set +f
}

# quietly WHAT COMMAND...: what the command says is shown only if it fails.
quietly() {
	doing=$1
	shift
	if ! "$@" >"$work/said" 2>&1; then
		cat "$work/said" >&2
		echo "$doing: $1 failed, see above" >&2
		exit 1
	fi
}
