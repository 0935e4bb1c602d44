package external

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"

	"lkbench/internal/kafka"
)

// tls reads the names of the files of an encrypted connection and looks into them, so that a mistake is told with its
// line and not by a connection that fails.
func (f *kafkaFile) tls() *kafka.TLS {
	var t kafka.TLS
	if key, path := f.store("truststore", "ssl.ca.location"); key != "" {
		t.CA = path
		if content, ok := f.pemFile(key, path); ok && !x509.NewCertPool().AppendCertsFromPEM(content) {
			f.fail(key, "%s holds no PEM certificate", path)
		}
	}
	if key, path := f.store("keystore", "ssl.certificate.location"); key != "" {
		t.Certificate, t.Key = path, path
		keyKey := key
		if privateKey, given := f.take("ssl.key.location"); given {
			t.Key, keyKey = privateKey, "ssl.key.location"
		} else if key == "ssl.certificate.location" {
			f.fail("ssl.key.location", "is missing: it names the private key of ssl.certificate.location")
			return &t
		}
		f.checkPair(key, t.Certificate, keyKey, t.Key)
	} else if _, given := f.take("ssl.key.location"); given {
		f.fail("ssl.key.location", "is given without ssl.certificate.location, which names the certificate of that key")
	}
	// Of stores that are PEM, Kafka's clients need none of these; whether a key is encrypted shows in its file.
	for _, key := range []string{"ssl.key.password", "ssl.keystore.password", "ssl.truststore.password"} {
		f.take(key)
	}
	return &t
}

// store gives the file of a store in the Java client's form (ssl.KIND.location, ssl.KIND.type) or in librdkafka's, and the
// key that named it; "" for none.
func (f *kafkaFile) store(kind, librdkafka string) (key, path string) {
	typeKey, locationKey := "ssl."+kind+".type", "ssl."+kind+".location"
	storeType, typed := f.take(typeKey)
	location, java := f.take(locationKey)
	other, native := f.take(librdkafka)
	switch {
	case java && native:
		f.fail(librdkafka, "is given beside %s: remove one of the two", locationKey)
		return "", ""
	case native:
		return librdkafka, other
	case !java:
		if typed {
			f.fail(locationKey, "is missing: it names the file of %s", typeKey)
		}
		return "", ""
	case typed && !strings.EqualFold(storeType, "PEM") || !typed && !looksLikePEM(location):
		f.fail(locationKey, "%s", convert(kind))
		return "", ""
	}
	return locationKey, location
}

func convert(kind string) string {
	out := "-nokeys -out ca.pem, and name it with ssl.ca.location"
	if kind == "keystore" {
		out = "-nodes -out client.pem, and name it with ssl.keystore.type=PEM and ssl.keystore.location"
	}
	return "only stores of the type PEM are supported. To convert: keytool -importkeystore -srckeystore STORE -destkeystore store.p12 -deststoretype PKCS12; " +
		"openssl pkcs12 -in store.p12 " + out
}

func looksLikePEM(path string) bool {
	content, err := os.ReadFile(path)
	return err != nil || bytes.Contains(content, []byte("-----BEGIN ")) // that it cannot be read is told by pemFile
}

func (f *kafkaFile) pemFile(key, path string) ([]byte, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		f.fail(key, "%v", err)
		return nil, false
	}
	return content, true
}

// checkPair looks whether a certificate and its key can be used.
func (f *kafkaFile) checkPair(certificateKey, certificate, keyKey, privateKey string) {
	certificates, ok := f.pemFile(certificateKey, certificate)
	if !ok {
		return
	}
	secret, ok := f.pemFile(keyKey, privateKey)
	if !ok {
		return
	}
	for rest := secret; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "ENCRYPTED") || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			f.fail(keyKey, "the private key in %s is encrypted, which is not supported: openssl pkey -in %s -out key.pem writes it out decrypted; "+
				"chmod 600 key.pem", privateKey, privateKey)
			return
		}
	}
	if _, err := tls.X509KeyPair(certificates, secret); err != nil {
		f.fail(certificateKey, "the certificate in %s and the key in %s cannot be used: %v", certificate, privateKey, err)
	}
}
