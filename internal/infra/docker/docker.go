// Package docker provides Kafka and PostgreSQL in containers.
package docker

import (
	_ "github.com/moby/moby/api/types/container"
	_ "github.com/moby/moby/client"
	_ "github.com/testcontainers/testcontainers-go"
)
