package external

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/internal/kafka"
)

const secret = "s3cr3t-of-the-test"

// written writes a file for this user alone and gives its path.
func written(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair gives a self-signed certificate and its key as PEM.
func pair(t testing.TB) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func TestReadKafkaConfig(t *testing.T) {
	certificate, key := pair(t)
	ca := written(t, "ca.pem", certificate)
	both := written(t, "both.pem", key+certificate)
	cert, priv := written(t, "cert.pem", certificate), written(t, "key.pem", key)
	for name, test := range map[string]struct {
		file string
		want kafka.Cluster
		note string
	}{
		"plain": {"bootstrap.servers=a:9092, b:9093", kafka.Cluster{Brokers: []string{"a:9092", "b:9093"}}, ""},
		"Java, SCRAM": {`
# a comment
bootstrap.servers = [::1]:9092
security.protocol : SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
    username="alice" \
    password="a \\"b\\" ${c} # d;";
ssl.truststore.type=PEM
ssl.truststore.location=` + ca + `
ssl.endpoint.identification.algorithm=https
client.id=x
acks=all`, kafka.Cluster{Brokers: []string{"[::1]:9092"}, TLS: &kafka.TLS{CA: ca},
			SASL: &kafka.SASL{Mechanism: "SCRAM-SHA-512", User: "alice", Password: `a "b" ${c} # d;`}}, "not used by lkbench: client.id, acks"},
		"Java, mutual TLS": {"bootstrap.servers=a:1\nsecurity.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=" + both + "\nssl.truststore.location=" + ca,
			kafka.Cluster{Brokers: []string{"a:1"}, TLS: &kafka.TLS{CA: ca, Certificate: both, Key: both}}, ""},
		"brokers named elsewhere": {"client.id=x", kafka.Cluster{}, "client.id"},
		"librdkafka": {"metadata.broker.list=a:1\r\nsecurity.protocol=sasl_ssl\r\nsasl.mechanisms=PLAIN\r\nsasl.username=u\r\nsasl.password=p w\r\n" +
			"ssl.ca.location=" + ca + "\r\nssl.certificate.location=" + cert + "\r\nssl.key.location=" + priv,
			kafka.Cluster{Brokers: []string{"a:1"}, TLS: &kafka.TLS{CA: ca, Certificate: cert, Key: priv},
				SASL: &kafka.SASL{Mechanism: "PLAIN", User: "u", Password: "p w"}}, ""},
		"single quotes and the system's authorities": {`bootstrap.servers=a:1
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='u' password='p\\\\q';`,
			kafka.Cluster{Brokers: []string{"a:1"}, TLS: &kafka.TLS{}, SASL: &kafka.SASL{Mechanism: "PLAIN", User: "u", Password: `p\q`}}, ""},
		"a key that may be a password is not told": {"bootstrap.servers=a:1\n" + secret + "=", kafka.Cluster{Brokers: []string{"a:1"}}, "not used by lkbench: line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			got, notes, err := ReadKafkaConfig(written(t, "client.properties", test.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(notes, "\n"); (test.note == "") != (all == "") || !strings.Contains(all, test.note) || strings.Contains(all, secret) {
				t.Errorf("notes %q, want %q", all, test.note)
			}
		})
	}
}

func TestKafkaConfigMistakes(t *testing.T) {
	certificate, key := pair(t)
	_, otherKey := pair(t)
	ca := written(t, "ca.pem", certificate)
	priv := written(t, "key.pem", key)
	wrong := written(t, "other.pem", otherKey)
	encrypted := written(t, "enc.pem", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})))
	store := written(t, "store.jks", "\xfe\xed\xfe\xed")
	const scram = "bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\n"
	const module = "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
	const ssl = "bootstrap.servers=a:1\nsecurity.protocol=SSL\n"
	for name, test := range map[string]struct {
		file  string
		wants []string
	}{
		"empty brokers":   {"bootstrap.servers=", []string{":1: bootstrap.servers: address 1 of 1 is not HOST:PORT"}},
		"no port":         {"bootstrap.servers=a:1,b", []string{":1: bootstrap.servers: address 2 of 2 is not HOST:PORT"}},
		"port 0":          {"bootstrap.servers=a:0", []string{"address 1 of 1"}},
		"a URL":           {"bootstrap.servers=kafka://u:" + secret + "@a:1", []string{"address 1 of 1"}},
		"protocol":        {"bootstrap.servers=a:1\nsecurity.protocol=TLS", []string{":2: security.protocol: expected PLAINTEXT, SSL"}},
		"twice":           {"bootstrap.servers=a:1\n\nbootstrap.servers=b:1", []string{":3: bootstrap.servers: is given twice, first in line 1"}},
		"no mechanism":    {"bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.username=u\nsasl.password=" + secret, []string{"sasl.mechanism: is missing"}},
		"OAUTHBEARER":     {"bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.username=u\nsasl.password=p", []string{":3: sasl.mechanism: is not supported", "Make a user with a password"}},
		"GSSAPI":          {"bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=GSSAPI\nsasl.kerberos.service.name=kafka", []string{":3: sasl.mechanism: is not supported", ":4: sasl.kerberos.service.name: is not supported"}},
		"AWS IAM":         {"bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM\nsasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;", []string{":3: sasl.mechanism: is not supported"}},
		"no password":     {scram + "sasl.username=u", []string{"sasl.password: is missing or empty"}},
		"no user":         {scram + "sasl.password=" + secret, []string{"sasl.username: is missing or empty"}},
		"both forms":      {scram + "sasl.username=u\n" + module + `username="u" password="` + secret + `";`, []string{":5: sasl.jaas.config: is given beside"}},
		"jaas, semicolon": {scram + module + `username="u" password="` + secret + `"`, []string{":4: sasl.jaas.config: the semicolon at its end is missing"}},
		"jaas, quote":     {scram + module + `username="u" password="` + secret + `;`, []string{":4: sasl.jaas.config: a quote is not closed"}},
		"jaas, module":    {scram + `sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="` + secret + `";`, []string{":4: sasl.jaas.config: its login module is PlainLoginModule, but sasl.mechanism SCRAM-SHA-256 needs ScramLoginModule"}},
		"jaas, foreign":   {scram + `sasl.jaas.config=com.example.` + "Other" + ` required password="` + secret + `";`, []string{"neither PlainLoginModule nor ScramLoginModule"}},
		"jaas, option":    {scram + module + `username="u" password="` + secret + `" tokenauth="true";`, []string{"nothing else"}},
		"jaas, missing":   {scram + module + `username="u";`, []string{"password is missing or empty"}},
		"jaas, optional":  {scram + `sasl.jaas.config=ScramLoginModule optional username="u" password="` + secret + `";`, []string{`expected "required"`}},
		"jaas, two":       {scram + module + `username="u" password="p"; Other required;`, []string{"something follows after the semicolon"}},
		"jaas, empty":     {scram + "sasl.jaas.config=;", []string{"expected MODULE required"}},
		"jaas, broken":    {scram + "sasl.jaas.config=ScramLoginModule required \n" + secret, []string{":5: expected key=value", "the semicolon at its end is missing"}},
		"plain and sasl":  {"bootstrap.servers=a:1\nsasl.username=u\nsasl.password=" + secret, []string{":2: sasl.username: has no effect with security.protocol=PLAINTEXT: set that to SASL_SSL", ":3: sasl.password: has no effect"}},
		"plain and ssl":   {"bootstrap.servers=a:1\nssl.ca.location=x", []string{":2: ssl.ca.location: has no effect with security.protocol=PLAINTEXT: set that to SSL"}},
		"JKS":             {ssl + "ssl.truststore.type=JKS\nssl.truststore.location=x.jks\nssl.truststore.password=" + secret, []string{":4: ssl.truststore.location: only stores of the type PEM", "keytool", "ca.pem"}},
		"JKS by default":  {ssl + "ssl.keystore.location=" + store + "\nssl.keystore.password=" + secret, []string{":3: ssl.keystore.location: only stores of the type PEM", "client.pem"}},
		"type alone":      {ssl + "ssl.keystore.type=PEM", []string{"ssl.keystore.location: is missing"}},
		"no such file":    {ssl + "ssl.ca.location=/none/ca.pem", []string{":3: ssl.ca.location: open /none/ca.pem: no such file"}},
		"no certificate":  {ssl + "ssl.ca.location=" + priv, []string{"holds no PEM certificate"}},
		"encrypted key":   {ssl + "ssl.certificate.location=" + ca + "\nssl.key.location=" + encrypted + "\nssl.key.password=" + secret, []string{":4: ssl.key.location: the private key in", "is encrypted", "openssl pkey"}},
		"another key":     {ssl + "ssl.certificate.location=" + ca + "\nssl.key.location=" + wrong, []string{":3: ssl.certificate.location: the certificate in", "does not match"}},
		"key alone":       {ssl + "ssl.key.location=" + priv, []string{"without ssl.certificate.location"}},
		"no key":          {ssl + "ssl.certificate.location=" + ca, []string{"ssl.key.location: is missing"}},
		"key not in it":   {ssl + "ssl.keystore.type=PEM\nssl.keystore.location=" + ca, []string{"cannot be used"}},
		"inline":          {ssl + "ssl.truststore.certificates=-----BEGIN " + secret, []string{":3: ssl.truststore.certificates: is not supported: put the PEM text into a file"}},
		"inline key":      {ssl + "ssl.keystore.key=-----BEGIN " + secret, []string{"ssl.keystore.key: is not supported"}},
		"no host check":   {ssl + "ssl.endpoint.identification.algorithm=", []string{":3: ssl.endpoint.identification.algorithm: turns the check of the brokers' host names off"}},
		"no check":        {ssl + "enable.ssl.certificate.verification=false", []string{":3: enable.ssl.certificate.verification: turns the check"}},
		"no text":         {"\x00\x01", []string{"is no text"}},
		"bad escape":      {ssl + "sasl.password=\\u12" + secret, []string{`:3: cannot be read: a backslash is written as \\`}},
		"several":         {"security.protocol=SASL_SSL", []string{"sasl.mechanism: is missing", "sasl.username: is missing", "sasl.password: is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, "client.properties", test.file)
			got, _, err := ReadKafkaConfig(path)
			var mistake *ConfigError
			if !errors.As(err, &mistake) {
				t.Fatalf("got %v, %v; want a ConfigError", got, err)
			}
			for _, want := range append(test.wants, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	if _, _, err := ReadKafkaConfig("/none"); err == nil || !strings.Contains(err.Error(), "open /none: no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestFileWithAPasswordOpenToOthers(t *testing.T) {
	path := written(t, "client.properties", "bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password="+secret)
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1, 0o604: 1} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, notes, err := ReadKafkaConfig(path)
		if err != nil || len(notes) != want || want == 1 && !strings.Contains(notes[0], "chmod 600 "+path) {
			t.Errorf("mode %o: notes %q, %v", mode, notes, err)
		}
	}
}

// Whatever a file holds, reading it ends with settings or with a ConfigError, and a password is in no message.
func FuzzReadKafkaConfig(f *testing.F) {
	for _, seed := range []string{"a=b", "# x\n a : b\\\n c", "sasl.password=\\u0041", "a\\=b=c", "=", "\\", "a=b\\\\\\\n\n", "ssl.ca.location=x",
		"sasl.jaas.config=ScramLoginModule required username=\"u\" password='PASS'"} {
		f.Add(seed, "=")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content, between string) {
		path := filepath.Join(dir, "client.properties")
		text := content + "\nbootstrap.servers=a:1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password" + between + secret + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cluster, notes, err := ReadKafkaConfig(path)
		if all := strings.Join(notes, " "); strings.Contains(all, secret) || err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("%q: the secret is told: %s %v", text, all, err)
		}
		var mistake *ConfigError
		if err != nil && !errors.As(err, &mistake) {
			t.Fatalf("%q: %v is no ConfigError", text, err)
		}
		if err == nil && (len(cluster.Brokers) == 0 || cluster.SASL == nil || cluster.SASL.Password == "") {
			t.Fatalf("%q: accepted as %v", text, cluster)
		}
	})
}
