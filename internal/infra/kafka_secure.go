package infra

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/kafka"
)

// Secure makes a Local Kafka ask who its clients are: TLS, users with passwords, certificates of clients, and rules of who
// may do what. There is then no plain way in for clients: brokers and controllers talk among themselves on loopback ports
// of their own, as a user of their own with a random password. Meant for tests of clusters that others run: the passwords
// stand in the brokers' settings in the run's temporary directory, readable by its user only.
type Secure struct {
	// CA is a PEM file of the authorities that may have signed clients' certificates; needed with ClientCertificates.
	CA string
	// Certificate and Key are PEM files of the brokers: the chain for the address 127.0.0.1, and the key in PKCS #8.
	Certificate, Key string
	// ClientCertificates makes the brokers refuse clients without a certificate signed by CA. Without Users a client is then
	// the common name (CN) of its certificate.
	ClientCertificates bool
	// Users may log in by each of Mechanisms (of package kafka: Plain, ScramSHA256, ScramSHA512). Without users there is no
	// SASL.
	Users      []SecureUser
	Mechanisms []string
	// Allow lists what users who are not Super may do. What is not allowed is refused.
	Allow []Allow
	// Client is how Instance.Kafka reaches the brokers: TLS and SASL of one of the users. Its Brokers are filled in.
	Client kafka.Cluster
}

// SecureUser is a user of a Kafka.
type SecureUser struct {
	Name     string // with ClientCertificates and no SASL the common name of its certificate
	Password kafka.Secret
	Super    bool // may do everything
}

// Allow lets a user do something to a topic, a group, a transactional id or the cluster (whose name is "kafka-cluster").
type Allow struct {
	User       string
	Resource   kmsg.ACLResourceType
	Name       string
	Prefixed   bool // Name begins the names that are meant
	Operations []kmsg.ACLOperation
}

const (
	brokerUser   = "lkbench-broker" // as whom brokers and controllers talk to each other
	scramRounds  = 4096             // the fewest that Kafka takes
	keyStoreFile = "kafka-keystore.pem"
)

// sasl says whether clients log in with a password.
func (s *Secure) sasl() bool { return len(s.Mechanisms) > 0 }

// check finds what cannot work before anything starts.
func (s *Secure) check() error {
	switch {
	case s.Certificate == "" || s.Key == "":
		return errors.New("a secured Kafka needs a certificate and its key")
	case s.ClientCertificates && s.CA == "":
		return errors.New("a Kafka that asks for clients' certificates needs the authorities that signed them")
	case !s.sasl() && !s.ClientCertificates:
		return errors.New("a secured Kafka needs users with mechanisms, or clients' certificates")
	case s.Client.TLS == nil:
		return errors.New("a secured Kafka needs to know how its client speaks TLS")
	}
	for _, m := range s.Mechanisms {
		if m != kafka.Plain && m != kafka.ScramSHA256 && m != kafka.ScramSHA512 {
			return fmt.Errorf("SASL mechanism %q: expected %s, %s or %s", m, kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512)
		}
	}
	return nil
}

// writeKeyStore joins certificate and key in one file, as Kafka wants them.
func (s *Secure) writeKeyStore(path string) error {
	var store []byte
	for _, file := range []string{s.Key, s.Certificate} {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("the brokers' certificate and key: %w", err)
		}
		store = append(append(store, text...), '\n')
	}
	if err := os.WriteFile(path, store, 0o600); err != nil {
		return fmt.Errorf("the brokers' certificate and key: %w", err)
	}
	return nil
}

// settings are those that security adds. password is that of the brokers' own user.
func (s *Secure) settings(password kafka.Secret, keyStore string) []Setting {
	protocol, super := "SSL", []string{"User:" + brokerUser}
	if s.sasl() {
		protocol = "SASL_SSL"
	}
	for _, u := range s.Users {
		if u.Super {
			super = append(super, "User:"+u.Name)
		}
	}
	auth := "none"
	if s.ClientCertificates {
		auth = "required"
	}
	own := plainLogin([]SecureUser{{Name: brokerUser, Password: password}}, brokerUser, password)
	settings := []Setting{
		{"listener.security.protocol.map", "CLIENTS:" + protocol + ",INTERNAL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT", "clients speak TLS; the rest stays on loopback and knows the brokers' password"},
		{"authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "who may do what is decided by rules"},
		{"allow.everyone.if.no.acl.found", "false", "what no rule allows is refused"},
		{"super.users", strings.Join(super, ";"), "the brokers themselves, and who makes the rules"},
		{"sasl.mechanism.inter.broker.protocol", kafka.Plain, "brokers log in to each other"},
		{"sasl.mechanism.controller.protocol", kafka.Plain, "brokers log in to the controllers"},
		{"listener.name.internal.sasl.enabled.mechanisms", kafka.Plain, "the brokers' own"},
		{"listener.name.controller.sasl.enabled.mechanisms", kafka.Plain, "the brokers' own"},
		{"listener.name.internal.plain.sasl.jaas.config", own, "the brokers' own user and password"},
		{"listener.name.controller.plain.sasl.jaas.config", own, "the brokers' own user and password"},
		{"ssl.keystore.type", "PEM", "the files that everybody has"},
		{"ssl.keystore.location", keyStore, "the brokers' certificate and key"},
		{"listener.name.clients.ssl.client.auth", auth, "whether clients must show a certificate"},
		{"ssl.principal.mapping.rules", "RULE:^.*?CN=([^,]+).*$/$1/,DEFAULT", "without SASL a client is the common name of its certificate"},
	}
	if s.CA != "" {
		settings = append(settings,
			Setting{"ssl.truststore.type", "PEM", "the files that everybody has"},
			Setting{"ssl.truststore.location", s.CA, "who may have signed clients' certificates"})
	}
	if s.sasl() {
		settings = append(settings, Setting{"listener.name.clients.sasl.enabled.mechanisms", strings.Join(s.Mechanisms, ","), "how clients may log in"})
	}
	for _, m := range s.Mechanisms {
		value := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		if m == kafka.Plain {
			value = plainLogin(s.Users, "", "")
		}
		settings = append(settings, Setting{"listener.name.clients." + strings.ToLower(m) + ".sasl.jaas.config", value, "who may log in"})
	}
	return settings
}

// plainLogin is the configuration of Kafka's module for PLAIN: the users it knows and, where the brokers log in
// themselves, as whom.
func plainLogin(users []SecureUser, as string, password kafka.Secret) string {
	var b strings.Builder
	b.WriteString("org.apache.kafka.common.security.plain.PlainLoginModule required")
	if as != "" {
		fmt.Fprintf(&b, " username=%s password=%s", jaasQuote(as), jaasQuote(string(password)))
	}
	for _, u := range users {
		fmt.Fprintf(&b, " user_%s=%s", u.Name, jaasQuote(string(u.Password)))
	}
	b.WriteString(";")
	return b.String()
}

// jaasQuote quotes a value for a login module's configuration.
func jaasQuote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
