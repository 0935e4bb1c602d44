#!/bin/sh
# kafka-run-class.sh CLASS ARGUMENT...: a class of Kafka's in this very process.
# The jars one by one and in order: the archives of classes count only for the class path they were made with, and a * would
# be in the order of the directory, which another machine's file system may give differently.
jars=
for jar in /opt/kafka/libs/*.jar; do jars=$jars:$jar; done
performance=${KAFKA_JVM_PERFORMANCE_OPTS:--server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent}
logging=${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=/etc/kafka/docker/tools-log4j2.yaml}
# Unquoted: lists of options.
exec /opt/java/openjdk/bin/java ${KAFKA_HEAP_OPTS:--Xmx256M} $performance ${CDS:-} -Djava.awt.headless=true $logging ${KAFKA_OPTS:-} -cp "${jars#:}" "$@"
