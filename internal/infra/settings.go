package infra

import (
	"fmt"
	"strings"
)

// Setting is one line of a server's configuration, and why it is there.
type Setting struct{ Name, Value, Why string }

// databaseSettings are the settings of every PostgreSQL that lkbench starts, also after a crash. What is not here has
// PostgreSQL's default.
func databaseSettings(port int) []Setting {
	return append([]Setting{
		{"listen_addresses", "127.0.0.1", "nothing is reachable from outside this machine"},
		{"port", fmt.Sprint(port), "free when the run started, kept over restarts"},
		{"unix_socket_directories", "", "one way in is enough, and sockets in /tmp could collide"},
	}, DatabaseSettings()...)
}

// DatabaseSettings are those that do not say where the server listens: they are the same for a process and for a container.
func DatabaseSettings() []Setting {
	return []Setting{
		{"fsync", "on", "a benchmark without durability measures something nobody runs"},
		{"synchronous_commit", "on", "a commit that was answered must survive a crash"},
		{"full_page_writes", "on", "torn pages after a crash of the machine; its cost belongs to the measurement"},
		{"wal_level", "logical", "the observer follows the write-ahead log"},
		{"max_wal_senders", "16", "followers of the write-ahead log"},
		{"max_replication_slots", "16", "as many as senders"},
		{"wal_sender_timeout", "30s", "a follower that died frees its slot soon"},
		{"max_connections", "120", "components, probes and a person who looks on, with room"},
		{"shared_buffers", "512MB", "holds the views of a run; the same on every machine, so that runs compare"},
		{"work_mem", "32MB", "the merges of the batch layer sort in memory"},
		{"maintenance_work_mem", "128MB", "building the index of a large table in one pass"},
		{"max_wal_size", "4GB", "a checkpoint that volume forces in the middle of one run and not of the next is noise"},
		{"checkpoint_timeout", "15min", "the same for a checkpoint by time"},
		{"jit", "off", "some builds have it and some do not; no statement here gains from it"},
		{"dynamic_shared_memory_type", "mmap", "in the data directory: nothing in /dev/shm outlives a SIGKILL"},
		{"timezone", "UTC", "times read the same everywhere"},
		{"log_timezone", "UTC", "the same in the log"},
		{"log_line_prefix", "%m [%p] ", "the default, but some packages change it"},
		{"log_min_error_statement", "panic", "a failed statement's text stays out of the log: it may hold a password"},
	}
}

// configuration writes settings as the file postgresql.conf.
func configuration(settings []Setting) string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = '%s' # %s\n", s.Name, strings.ReplaceAll(s.Value, "'", "''"), s.Why)
	}
	return b.String()
}
