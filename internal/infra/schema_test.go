package infra

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithSchema(t *testing.T) {
	for name, postgres := range map[string]string{
		"URL":                        "postgres://u:pa%20ss@h:5433/d",
		"URL with settings":          "postgres://u:pa%20ss@h:5433/d?sslmode=require&application_name=x",
		"URL with & at the end":      "postgres://u:pa%20ss@h:5433/d?sslmode=require&",
		"URL with another path":      "postgresql://u:pa%20ss@h:5433/d?search_path=other&sslmode=require",
		"URL without a database":     "postgres://u:pa%20ss@h:5433?dbname=d",
		"key=value":                  "host=h port=5433 user=u dbname=d password='pa ss'",
		"key=value and another path": "search_path=other host=h port=5433 user=u dbname=d password='pa ss' search_path='o, p'",
		"key=value, backslash":       `host=h port=5433 user=u password=pa\ ss dbname=d\`,
		"key=value, space at end":    "host=h port=5433 user=u dbname=d password=pa\\ ss ",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := WithSchema(postgres, "run_abc")
			if err != nil {
				t.Fatal(err)
			}
			config, err := PostgresConfig(got)
			if err != nil {
				t.Fatal(err)
			}
			if config.RuntimeParams["search_path"] != "run_abc" || config.Password != "pa ss" || config.Host != "h" ||
				config.Port != 5433 || config.User != "u" || config.Database != "d" {
				t.Errorf("%s: search path %q, %s@%s:%d/%s", got, config.RuntimeParams["search_path"], config.User, config.Host, config.Port, config.Database)
			}
		})
	}
}

func TestWithSchemaKeepsWhatIsElsewhere(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(passwords, []byte("h:5432:d:u:from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", passwords)
	t.Setenv("PGUSER", "u")
	for _, postgres := range []string{"postgres://h/d", "host=h dbname=d", "postgres://h:5432,h2:5433/d?target_session_attrs=read-write"} {
		got, err := WithSchema(postgres, "run_abc")
		if err != nil {
			t.Fatal(err)
		}
		config, err := PostgresConfig(got)
		if err != nil {
			t.Fatal(err)
		}
		if config.Password != "from-file" || config.User != "u" || config.RuntimeParams["search_path"] != "run_abc" {
			t.Errorf("%s became %s: user %q, password found: %v", postgres, got, config.User, config.Password != "")
		}
	}
}

func TestWithSchemaRefusesOddNames(t *testing.T) {
	for _, name := range []string{"", "a b", "A", "a;drop", "a&b", strings.Repeat("a", 64)} {
		if got, err := WithSchema("postgres://h/d", name); err == nil {
			t.Errorf("schema %q gave %s", name, got)
		}
	}
}

// Whatever is wrong with a connection string, its password is not told.
func TestErrorsShowNoPassword(t *testing.T) {
	const secret = "geheim"
	for postgres, want := range map[string]string{
		"postgres://u:" + secret + "%zz@h/d":                                  "looks like a URL",
		"postgres://u:" + secret + "@h:port/d":                                "port",
		"postgres://u:" + secret + "/" + secret + "@h/d":                      "port",
		"postgres://u:" + secret + "@h/d?sslmode=" + secret:                   "unknown sslmode",
		"postgres://u:" + secret + "@h/d?password=" + secret + "%z":           "looks like a URL",
		"postgres://u:" + secret + "@h/d?sslrootcert=/none&sslmode=require":   "open /none: no such file",
		"postgres://u:" + secret + "@h/d?connect_timeout=" + secret:           "connect_timeout",
		"postgres://u:" + secret + "@h/d?target_session_attrs=" + secret:      "target_session_attrs",
		"host=h password='" + secret:                                          "cannot be read",
		"host=h password " + secret:                                           "cannot be read",
		"host=h pass word=" + secret:                                          "cannot be read",
		secret:                                                                "cannot be read",
		"u:" + secret + "@h":                                                  "cannot be read",
		"mysql://u:" + secret + "@h":                                          "cannot be read",
		"host=h password = '" + secret + "' port=" + secret:                   "port",
		"host=h,i,j port=1,2 password=" + secret:                              "number of ports",
		"host=h service=" + secret + " servicefile=/dev/null password=" + "x": "service",
	} {
		_, err := PostgresConfig(postgres)
		if err == nil || !errors.Is(err, ErrPostgresString) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", postgres, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the password: %v", postgres, err)
		}
		if _, err := WithSchema(postgres, "s"); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: WithSchema gave %v", postgres, err)
		}
	}
}

func TestHasPassword(t *testing.T) {
	t.Setenv("PGPASSWORD", "from the environment")
	for postgres, want := range map[string]bool{
		"postgres://u:p@h/d": true, "postgres://u@h/d": false, "postgres://h/d": false, "postgres://u:@h/d": false,
		"postgres://h/d?password=p": true, "postgres://h/d?sslmode=require&pass%77ord=p": true, "postgres://h/d?sslpassword=p": true,
		"postgres://h/d?password=": false, "postgres://h/d?application_name=password": false, "postgres://h/d?passfile=/p": false,
		"postgres://u:p/q@h/d": true, "postgres://h:5432/d": false, "postgres://u:a?b@h/d": true,
		"host=h user=u": false, "host=h password=p": true, "host=h password = p": true, "password='p q' host=h": true,
		"host=h password=": false, "host=h application_name='a password=x'": false, "host=h passfile=/p": false, "service=x": false,
		`host=h application_name=a\ password=x`: false, "host=h sslpassword=p": true, "": false, "host=h password p": true, "u:p@h": true,
	} {
		if got := HasPassword(postgres); got != want {
			t.Errorf("HasPassword(%q) = %v", postgres, got)
		}
	}
}
