package external

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lkbench/internal/kafka"
)

// Names of settings by their two spellings: the Java client's and librdkafka's.
const (
	bootstrapServers = "bootstrap.servers"
	securityProtocol = "security.protocol"
	saslMechanism    = "sasl.mechanism"
	saslJaasConfig   = "sasl.jaas.config"
	saslUsername     = "sasl.username"
	saslPassword     = "sasl.password"
	hostCheck        = "ssl.endpoint.identification.algorithm"
)

var otherSpelling = map[string]string{"metadata.broker.list": bootstrapServers, "sasl.mechanisms": saslMechanism}

// keyShape is what a key can be told by: a line that was broken at the wrong place may begin with a password.
var keyShape = regexp.MustCompile(`^[a-z]+([._-][a-z0-9]+)+$|^(acks|retries|debug)$`)

// kafkaFile is a client's properties file while it is read.
type kafkaFile struct {
	path     string
	settings map[string]entry // by key, of those that were not looked at yet
	lines    map[string]entry // by key, all of them, for messages
	errs     []error
}

// ReadKafkaConfig reads how to reach a Kafka from a properties file with the names of Kafka's Java client or of
// librdkafka: bootstrap.servers (without it the cluster has no Brokers, and they must be named otherwise), security.protocol,
// sasl.* and, in PEM files, ssl.*. Beside the cluster it gives notes, a sentence each: settings that lkbench does not use, and a
// file with a password that others can read. Mistakes in the file are ConfigErrors, all of them joined; none shows a value.
func ReadKafkaConfig(path string) (kafka.Cluster, []string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return kafka.Cluster{}, nil, &ConfigError{Problem: fmt.Sprintf("Kafka's client properties: %v", err)}
	}
	entries, err := readProperties(path, content)
	f := &kafkaFile{path: path, settings: map[string]entry{}, lines: map[string]entry{}}
	if err != nil {
		f.errs = append(f.errs, err)
	}
	for _, e := range entries {
		name := e.key
		if other, ok := otherSpelling[name]; ok {
			name = other
		}
		if before, twice := f.lines[name]; twice {
			f.errs = append(f.errs, &ConfigError{File: path, Line: e.line, Key: name, Problem: fmt.Sprintf("is given twice, first in line %d: remove one", before.line)})
			continue
		}
		f.settings[name], f.lines[name] = e, e
	}
	cluster := f.cluster()
	if len(f.errs) > 0 {
		return kafka.Cluster{}, nil, errors.Join(f.errs...)
	}
	return cluster, f.notes(cluster), nil
}

// cluster takes what it knows out of f.settings.
func (f *kafkaFile) cluster() kafka.Cluster {
	f.refuse()
	cluster := kafka.Cluster{Brokers: f.brokers()}
	protocol, given := f.take(securityProtocol)
	protocol = strings.ToUpper(protocol)
	if !given {
		protocol = "PLAINTEXT" // the default of both clients
	}
	if !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol) {
		f.fail(securityProtocol, "expected PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
		return cluster
	}
	if strings.HasSuffix(protocol, "SSL") {
		cluster.TLS = f.tls()
	} else {
		f.without(protocol, "SSL or SASL_SSL", func(key string) bool { return strings.HasPrefix(key, "ssl.") })
	}
	if strings.HasPrefix(protocol, "SASL") {
		cluster.SASL = f.sasl()
	} else {
		f.without(protocol, "SASL_SSL or SASL_PLAINTEXT", func(key string) bool { return strings.HasPrefix(key, "sasl.") })
	}
	return cluster
}

// take gives a setting and marks it as used.
func (f *kafkaFile) take(key string) (string, bool) {
	e, given := f.settings[key]
	delete(f.settings, key)
	return e.value, given
}

// fail notes a mistake, with the line of the key where the file has it, and the key as the file spells it.
func (f *kafkaFile) fail(key, problem string, args ...any) {
	e := f.lines[key]
	if e.key != "" {
		key = e.key
	}
	f.errs = append(f.errs, &ConfigError{File: f.path, Line: e.line, Key: key, Problem: fmt.Sprintf(problem, args...)})
}

// without refuses settings that the protocol would leave without effect: a password or an authority that somebody wrote
// down is meant to be used.
func (f *kafkaFile) without(protocol, needed string, of func(key string) bool) {
	for _, key := range f.remaining() {
		if of(key) {
			f.fail(key, "has no effect with security.protocol=%s: set that to %s, or remove this line", protocol, needed)
			delete(f.settings, key)
		}
	}
}

// remaining are the keys not taken yet, by line.
func (f *kafkaFile) remaining() []string {
	keys := make([]string, 0, len(f.settings))
	for key := range f.settings {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return f.settings[a].line - f.settings[b].line })
	return keys
}

// refuse names settings that ask for something lkbench does not do, with the way round.
func (f *kafkaFile) refuse() {
	if e, given := f.settings[hostCheck]; given && !strings.EqualFold(e.value, "https") {
		f.fail(hostCheck, "turns the check of the brokers' host names off, which lkbench does not: remove the line, and give the brokers certificates with their names")
	}
	if e, given := f.settings["enable.ssl.certificate.verification"]; given && !strings.EqualFold(e.value, "true") {
		f.fail("enable.ssl.certificate.verification", "turns the check of the brokers' certificates off, which lkbench does not: remove the line and name their authority with ssl.ca.location")
	}
	for _, key := range []string{hostCheck, "enable.ssl.certificate.verification"} {
		delete(f.settings, key)
	}
	for key, instead := range map[string]string{
		"ssl.truststore.certificates":        "ssl.truststore.type=PEM and ssl.truststore.location",
		"ssl.keystore.certificate.chain":     "ssl.keystore.type=PEM and ssl.keystore.location",
		"ssl.keystore.key":                   "ssl.keystore.type=PEM and ssl.keystore.location",
		"ssl.ca.pem":                         "ssl.ca.location",
		"ssl.certificate.pem":                "ssl.certificate.location",
		"ssl.key.pem":                        "ssl.key.location",
		"sasl.oauthbearer.token":             "a user and a password",
		"sasl.login.callback.handler.class":  "a user and a password",
		"sasl.client.callback.handler.class": "a user and a password",
		"sasl.kerberos.service.name":         "a user and a password",
	} {
		if _, given := f.take(key); !given {
			continue
		}
		if strings.HasPrefix(key, "ssl.") {
			f.fail(key, "is not supported: put the PEM text into a file and name that with %s", instead)
		} else {
			f.fail(key, "is not supported: lkbench signs in with %s", instead)
		}
	}
}

func (f *kafkaFile) brokers() []string {
	value, given := f.take(bootstrapServers)
	if !given { // as for Kafka's own tools, which are told the brokers elsewhere
		return nil
	}
	brokers, err := Addresses(value)
	if err != nil {
		f.fail(bootstrapServers, "%v", err)
	}
	return brokers
}

// Addresses reads a list of brokers, HOST:PORT with commas between.
func Addresses(list string) ([]string, error) {
	var brokers []string
	for n, address := range strings.Split(list, ",") {
		address = strings.TrimSpace(address)
		host, port, err := net.SplitHostPort(address)
		number, notNumber := strconv.Atoi(port)
		// Not shown: it may be a URL with a password.
		if err != nil || notNumber != nil || host == "" || number < 1 || number > 65535 || strings.ContainsAny(host, "/@ ") {
			return nil, fmt.Errorf("address %d of %d is not HOST:PORT", n+1, strings.Count(list, ",")+1)
		}
		brokers = append(brokers, address)
	}
	return brokers, nil
}

func (f *kafkaFile) sasl() *kafka.SASL {
	mechanism, given := f.take(saslMechanism)
	if !given {
		f.fail(saslMechanism, "is missing: expected %s, %s or %s", kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512)
	} else if !slices.Contains([]string{kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512}, mechanism) {
		f.fail(saslMechanism, "is not supported: expected %s, %s or %s. Make a user with a password for lkbench; managed services offer that beside "+
			"OAUTHBEARER, GSSAPI and AWS_MSK_IAM", kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512)
		given = false
	}
	jaas, asJaas := f.take(saslJaasConfig)
	user, hasUser := f.take(saslUsername)
	password, hasPassword := f.take(saslPassword)
	switch {
	case asJaas && (hasUser || hasPassword):
		f.fail(saslJaasConfig, "is given beside sasl.username or sasl.password: remove one of the two forms")
	case asJaas && given:
		var err error
		if user, password, err = jaasLogin(jaas, mechanism); err != nil {
			f.fail(saslJaasConfig, "%v", err)
		}
	case !asJaas:
		for key, value := range map[string]string{saslUsername: user, saslPassword: password} {
			if value == "" {
				f.fail(key, "is missing or empty")
			}
		}
	}
	return &kafka.SASL{Mechanism: mechanism, User: user, Password: kafka.Secret(password)}
}

// notes says what was not used and what is unsafe.
func (f *kafkaFile) notes(cluster kafka.Cluster) []string {
	var notes, ignored []string
	for _, key := range f.remaining() {
		if e := f.settings[key]; keyShape.MatchString(e.key) {
			ignored = append(ignored, e.key)
		} else {
			ignored = append(ignored, fmt.Sprintf("line %d", e.line))
		}
	}
	if len(ignored) > 0 {
		notes = append(notes, fmt.Sprintf("%s: not used by lkbench: %s", f.path, strings.Join(ignored, ", ")))
	}
	if info, err := os.Stat(f.path); err == nil && cluster.SASL != nil && info.Mode().Perm()&0o044 != 0 {
		notes = append(notes, fmt.Sprintf("%s holds a password and others can read it: chmod 600 %s", f.path, f.path))
	}
	return notes
}
