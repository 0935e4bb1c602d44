package external

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lkbench/internal/infra"
)

// reachTimeout bounds how long a server may take to let a connection in, if the caller says nothing else.
const reachTimeout = 10 * time.Second

// HasPassword says whether a connection string itself holds a password, which on a command line everybody on the machine
// could read. See infra.HasPassword.
func HasPassword(postgres string) bool { return infra.HasPassword(postgres) }

// reachPostgres connects. Its errors say what to do, and hold no password.
func reachPostgres(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = config.Copy()
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = reachTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "lkbench"
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explainPostgres(err, config)
	}
	return conn, nil
}

// explainPostgres adds to the error of a connection what to do.
func explainPostgres(err error, config *pgx.ConnConfig) error {
	advice := postgresAdvice(err, config)
	if advice == "" {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return fmt.Errorf("PostgreSQL: %w: %s", err, advice)
}

func postgresAdvice(err error, config *pgx.ConnConfig) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case refused.Code == "28P01" && config.Password == "":
			return "no password was found for this user: put it into a password file (~/.pgpass or the one that PGPASSFILE or passfile names, mode 0600), or into PGPASSWORD"
		case refused.Code == "28P01":
			return "the password is wrong, or the user does not exist: correct the password file (~/.pgpass, PGPASSFILE or passfile) or PGPASSWORD"
		case refused.Code == "28000" && strings.Contains(refused.Message, "no encryption"):
			return "the server takes this user over TLS only: set sslmode to require or, better, verify-full"
		case refused.Code == "28000":
			return "the server does not take this user from here (pg_hba.conf, or the service's list of permitted addresses)"
		case refused.Code == "3D000":
			return "make the database, or name another one"
		case refused.Code == "53300":
			return "close other connections or raise the limit"
		case strings.Contains(refused.Message, "unsupported startup parameter"):
			return "this is a connection pooler: name the address of the server itself, since lkbench needs sessions of its own"
		}
		return ""
	}
	if advice := certificateAdvice(err, "sslrootcert=FILE", "sslmode=verify-ca, which does not look at the name", "sslcert=FILE and sslkey=FILE"); advice != "" {
		return advice
	}
	if strings.Contains(err.Error(), "server refused TLS connection") {
		return "the server does not speak TLS: turn it on there or, on a network you trust, set sslmode=disable"
	}
	return networkAdvice(err)
}

// certificateAdvice is about TLS, for both servers; the words are those of the settings that help.
func certificateAdvice(err error, authority, unnamed, client string) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch text := err.Error(); {
	case errors.As(err, &unknown):
		return "the server's certificate is of an authority that this machine does not know: name it with " + authority
	case errors.As(err, &name):
		return "the server's certificate is for another name: connect by a name that it has, or use " + unnamed
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired, is not valid yet, or this machine's clock is wrong"
	case errors.As(err, &invalid):
		return "the server's certificate cannot be used"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"),
		strings.Contains(text, "tls: unknown certificate"), strings.Contains(text, "requires a valid client certificate"),
		strings.Contains(text, "handshake failure"):
		return "the server asks for a certificate of the client that it trusts: name one with " + client
	}
	return ""
}

// networkAdvice is about the way to a server, for both.
func networkAdvice(err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &dns):
		return "the name is not known here: is it spelled right, is a VPN needed?"
	case strings.Contains(err.Error(), "connection refused"):
		return "nothing listens there: is the server running, is the port right?"
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return "no answer: a firewall, the service's list of permitted addresses, or a missing VPN"
	}
	return ""
}
