// Package deploy holds the files with which lkbench brings other programs onto a machine, so that the binary stands
// alone.
package deploy

import _ "embed"

// KafkaVersion is the Apache Kafka that kafka/pom.xml pins.
const KafkaVersion = "4.3.1"

// KafkaPOM names Kafka's jars and their versions, for Maven.
//
//go:embed kafka/pom.xml
var KafkaPOM []byte

// KafkaLog4j is how a broker writes its log (log4j 2, properties).
//
//go:embed kafka/log4j2.properties
var KafkaLog4j []byte
