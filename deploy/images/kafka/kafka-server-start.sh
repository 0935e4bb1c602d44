#!/bin/sh
# kafka-server-start.sh FILE: a broker or controller in this very process.
export KAFKA_HEAP_OPTS="${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G}"
export KAFKA_LOG4J_OPTS="${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml}"
export CDS="${CDS:--XX:SharedArchiveFile=/opt/kafka/kafka.jsa}"
exec /opt/kafka/bin/kafka-run-class.sh kafka.Kafka "$@"
