package external

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// DefaultPrefix begins the names of all that a run makes, if nothing else is said.
const DefaultPrefix = "lkbench"

const tokenLength = 6

// A name that the observer builds on it must fit PostgreSQL's 63 bytes.
var prefixShape = regexp.MustCompile(`^[a-z]([a-z0-9_]{0,10}[a-z0-9])?$`)

// checkPrefix says whether names of all kinds can begin so.
func checkPrefix(prefix string) error {
	if !prefixShape.MatchString(prefix) || prefix == "pg" || strings.HasPrefix(prefix, "pg_") {
		return &ConfigError{Key: "prefix", Problem: fmt.Sprintf("%q: expected at most 12 lower-case letters, digits and _, beginning with a letter, "+
			"not ending with _, and not pg, which PostgreSQL keeps for itself", prefix)}
	}
	return nil
}

// newToken tells runs apart, on whatever machine they are started.
func newToken() string { return strings.ToLower(rand.Text()[:tokenLength]) }

// schemasOf matches the schemas of all runs with a prefix.
func schemasOf(prefix string) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`^%s_[a-z2-7]{%d}$`, regexp.QuoteMeta(prefix), tokenLength))
}

// mark is what the comment on a run's schema says: that lkbench made it, and for whom.
type mark struct {
	Prefix  string    `json:"prefix"`  // begins the names of all that belongs to it
	Cluster string    `json:"cluster"` // id of the Kafka that has its topics
	Kafka   string    `json:"kafka"`   // where that was reached
	Host    string    `json:"host"`    // where the run was started
	PID     int       `json:"pid"`     // its process there
	Started time.Time `json:"started"`
}

func (m mark) String() string {
	return fmt.Sprintf("started %s on %s (process %d)", m.Started.UTC().Format(time.RFC3339), m.Host, m.PID)
}
