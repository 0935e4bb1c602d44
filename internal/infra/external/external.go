// Package external uses a Kafka and a PostgreSQL that the user names.
package external

import (
	_ "github.com/magiconair/properties"
)
