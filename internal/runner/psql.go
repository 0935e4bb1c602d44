package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// psql gives the command by which a person looks at the database. Of a server of the run's own the password is in a file
// of the workspace that only this user can read and that goes with it; to a server of somebody else the person has a way of
// their own. It never is on the screen.
func (r *run) psql() (string, error) {
	c, err := pgx.ParseConfig(r.instance.Postgres)
	if err != nil {
		return "", err
	}
	command := fmt.Sprintf("psql -h %s -p %d -U %s -d %s", quoted(c.Host), c.Port, quoted(c.User), quoted(c.Database))
	if r.instance.Prefix != "" {
		return fmt.Sprintf("PGOPTIONS=%s %s", quoted("-c search_path="+c.RuntimeParams["search_path"]), command), nil
	}
	file := filepath.Join(r.workspace.Dir, "pgpass")
	line := fmt.Sprintf("%s:%d:%s:%s:%s\n", c.Host, c.Port, c.Database, c.User, c.Password)
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("PGPASSFILE=%s %s", quoted(file), command), nil
}

// quoted writes a word so that a shell reads it as it is.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,@%+") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
