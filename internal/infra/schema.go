package infra

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// WithSchema gives the connection string with a search path of one schema instead of any that it had; all the rest stays
// as it is, so that whoever parses it, here or in another process, gets the same connection. Both forms are understood: a
// URL and "key=value". Errors show nothing of the string: it may hold a password.
func WithSchema(postgres, schema string) (string, error) {
	if !schemaName.MatchString(schema) {
		return "", fmt.Errorf("schema %q: expected lower-case letters, digits and _", schema)
	}
	before, err := PostgresConfig(postgres)
	if err != nil {
		return "", err
	}
	// The last of several settings of a name counts, in both forms.
	added := withSetting(postgres, "search_path", schema)
	after, err := PostgresConfig(added)
	if err != nil {
		return "", err
	}
	if after.RuntimeParams["search_path"] != schema || after.Host != before.Host || after.Port != before.Port ||
		after.Database != before.Database || after.User != before.User || after.Password != before.Password {
		return "", fmt.Errorf("the PostgreSQL connection string cannot be given a search path: write it as %s", formsOfPostgres)
	}
	return added, nil
}

// withSetting adds a setting at the end of a connection string; name and value have nothing to be escaped.
func withSetting(postgres, name, value string) string {
	if rest, isURL := cutURL(postgres); isURL {
		_, afterUser := cutUser(rest)
		if strings.Contains(afterUser, "?") {
			return strings.TrimSuffix(postgres, "&") + "&" + name + "=" + value
		}
		return postgres + "?" + name + "=" + value
	}
	// A backslash at the end means nothing there, but it would make what follows a part of the last value.
	if slashes := len(postgres) - len(strings.TrimRight(postgres, `\`)); slashes%2 == 1 {
		postgres = postgres[:len(postgres)-1]
	}
	return postgres + " " + name + "=" + value
}

// ErrPostgresString is wrapped by the errors of PostgresConfig and WithSchema that are about the connection string.
var ErrPostgresString = errors.New("the PostgreSQL connection string")

const formsOfPostgres = `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full or "host=HOST port=PORT user=USER dbname=DATABASE sslmode=verify-full"`

// PostgresConfig parses a connection string. Its errors say what is wrong without a character of it, where pgx's show
// the string as far as they believe that it holds no password.
func PostgresConfig(postgres string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(postgres)
	if err == nil {
		return config, nil
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return nil, fmt.Errorf("%w names a file that cannot be used: %w", ErrPostgresString, file)
	}
	for _, known := range []struct{ text, means string }{
		{"sslmode is invalid", "has an unknown sslmode: expected disable, allow, prefer, require, verify-ca or verify-full"},
		{"unable to add CA to cert pool", "names an sslrootcert that holds no PEM certificate"},
		{"unable to read cert", "names an sslcert and sslkey that cannot be used together: expected PEM files of one certificate and its key"},
		{"failed to configure TLS", "names TLS files (sslrootcert, sslcert, sslkey) or modes that do not fit together"},
		{"invalid port", "has a port that is not a number between 1 and 65535"},
		{"invalid connect_timeout", "has a connect_timeout that is not a number of seconds"},
		{"failed to read service", "names a service that is in no service file (PGSERVICEFILE, ~/.pg_service.conf)"},
		{"port numbers to", "has another number of ports than of hosts"},
		{"unknown target_session_attrs", "has an unknown target_session_attrs"},
		{"failed to parse as URL", "looks like a URL and is none; special characters in it are written as in %40 for @"},
	} {
		if strings.Contains(err.Error(), known.text) {
			return nil, fmt.Errorf("%w %s", ErrPostgresString, known.means)
		}
	}
	return nil, fmt.Errorf("%w cannot be read: expected %s", ErrPostgresString, formsOfPostgres)
}

// HasPassword says whether a connection string itself holds a password. What a password file, a service file or the
// environment adds does not count. For a string that cannot be read it is true as soon as something looks like one.
func HasPassword(postgres string) bool {
	rest, isURL := cutURL(postgres)
	if !isURL {
		return keywordHasPassword(postgres)
	}
	user, rest := cutUser(rest)
	if _, password, found := strings.Cut(user, ":"); found && password != "" {
		return true
	}
	// A / in a password ends, for the parser, what could be user and password.
	if at := strings.LastIndex(rest, "@"); at >= 0 && strings.Contains(rest[:at], ":") {
		return true
	}
	_, query, _ := strings.Cut(rest, "?")
	for _, setting := range strings.Split(query, "&") {
		key, value, _ := strings.Cut(setting, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(key))
		if (err != nil || isPasswordKey(decoded)) && value != "" {
			return true
		}
	}
	return false
}

func isPasswordKey(key string) bool {
	key = strings.TrimSpace(key)
	return strings.EqualFold(key, "password") || strings.EqualFold(key, "sslpassword")
}

// keywordHasPassword walks over "key=value key='va lue'".
func keywordHasPassword(s string) bool {
	const space = " \t\n\r\v\f"
	for s = strings.TrimLeft(s, space); s != ""; s = strings.TrimLeft(s, space) {
		key, rest, found := strings.Cut(s, "=")
		if !found {
			return strings.Contains(strings.ToLower(s), "password") || strings.Contains(s, ":") && strings.Contains(s, "@")
		}
		rest = strings.TrimLeft(rest, space)
		value := rest
		quoted := strings.HasPrefix(rest, "'")
		end := 0
		if quoted {
			end = 1
		}
		for end < len(rest) {
			c := rest[end]
			if c == '\\' {
				end++
			} else if quoted && c == '\'' || !quoted && strings.IndexByte(space, c) >= 0 {
				break
			}
			end++
		}
		end = min(end, len(rest))
		value, s = rest[:end], rest[end:]
		if quoted {
			value, s = value[1:], strings.TrimPrefix(s, "'")
		}
		if value != "" && (isPasswordKey(key) || strings.Contains(key, ":") && strings.Contains(s+value+key, "@") ||
			strings.Contains(strings.ToLower(key), "password")) {
			return true
		}
	}
	return false
}

func cutURL(postgres string) (rest string, isURL bool) {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, isURL = strings.CutPrefix(postgres, scheme); isURL {
			return rest, true
		}
	}
	return postgres, false
}

// cutUser divides what follows the scheme as libpq does: only a / ends the search for the @.
func cutUser(rest string) (user, afterUser string) {
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		return rest[:i], rest[i+1:]
	}
	return "", rest
}
