# Read by build.sh: the image apache/kafka. The jars are those of --infra=local: the same pom names them.
pom=$here/../kafka/pom.xml
version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$pom")
[ -n "$version" ] || { echo "$pom names no kafka.version" >&2; exit 1; }
tag=apache/kafka:$version
sources=$pom
arguments="--build-arg VERSION=$version"
owner=1000 # appuser
owned="home/appuser opt/kafka etc/kafka var/lib/kafka mnt/shared"

# fill ROOTFS CONTEXT
fill() {
	root=$1
	mkdir -p "$root/opt/kafka/bin" "$root/opt/kafka/libs" "$root/opt/kafka/config" "$root/etc/kafka/docker" "$root/etc/kafka/secrets" \
		"$root/var/lib/kafka/data" "$root/mnt/shared/config" "$root/opt/java"
	add_user "$root" appuser 1000 /home/appuser

	if [ -n "${LKBENCH_KAFKA_LIBS:-}" ]; then
		cp "$LKBENCH_KAFKA_LIBS"/*.jar "$root/opt/kafka/libs/"
	else
		quietly "fetch Kafka's jars" mvn -q -B -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$root/opt/kafka/libs"
	fi
	[ -f "$root/opt/kafka/libs/kafka_2.13-$version.jar" ] || { echo "Kafka $version is not among the jars${LKBENCH_KAFKA_LIBS:+ in $LKBENCH_KAFKA_LIBS}" >&2; exit 1; }

	# A Java runtime with what the broker uses, and management for who wants to look into it.
	jdk=$(find_jdk)
	java=$root/opt/java/openjdk
	"$jdk/bin/jlink" --no-header-files --no-man-pages --strip-java-debug-attributes --output "$java" --add-modules \
java.desktop,java.instrument,java.management.rmi,java.naming,java.net.http,java.security.jgss,java.security.sasl,java.sql,\
jdk.crypto.ec,jdk.management.agent,jdk.unsupported
	# java.desktop is there for java.beans, which a library of Kafka's uses; nothing is ever drawn.
	rm -f "$java"/lib/lib*awt*.so "$java"/lib/libfont*.so "$java/lib/libfreetype.so" "$java/lib/libsplashscreen.so" "$java/lib/liblcms.so" \
		"$java/lib/libmlib_image.so" "$java/lib/libjavajpeg.so"
	add_libraries "$root" "$java/bin/java" "$java"/lib/*.so "$java/lib/server/libjvm.so"
	# Compression is native code, which its jars unpack when it is first used: it needs libraries too. 11: a jar without such code.
	for jar in "$root"/opt/kafka/libs/*.jar; do
		unzip -qo "$jar" '*inux/amd64/*.so' '*inux/x86_64/*.so' -d "$2/native" 2>/dev/null || [ $? = 11 ]
	done
	add_libraries "$root" $(find "$2/native" -name '*.so')
	# The archive of the runtime's own classes. Made here: in the image it would be a second copy in a further layer.
	"$java/bin/java" -Xshare:dump >/dev/null

	install -m 644 "$here/kafka/server.properties" "$here/kafka/log4j2.yaml" "$here/kafka/tools-log4j2.yaml" "$root/etc/kafka/docker/"
	install -m 755 "$here/kafka/run" "$here/kafka/configure" "$here/kafka/archive" "$root/etc/kafka/docker/"
	install -m 755 "$here"/kafka/kafka-*.sh "$root/opt/kafka/bin/"
	for tool in storage:kafka.tools.StorageTool configs:kafka.admin.ConfigCommand topics:org.apache.kafka.tools.TopicCommand \
		get-offsets:org.apache.kafka.tools.GetOffsetShell consumer-groups:org.apache.kafka.tools.consumer.group.ConsumerGroupCommand; do
		printf '#!/bin/sh\nexec /opt/kafka/bin/kafka-run-class.sh %s "$@"\n' "${tool#*:}" >"$root/opt/kafka/bin/kafka-${tool%%:*}.sh"
		chmod 755 "$root/opt/kafka/bin/kafka-${tool%%:*}.sh"
	done
}
