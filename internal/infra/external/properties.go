package external

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/magiconair/properties"
)

// ConfigError is a mistake in what the caller wrote: a file, a connection string, a name. It shows no values, since one
// may be a password.
type ConfigError struct {
	File    string // "" where the mistake is in no file
	Line    int    // from 1; 0 where no line is to blame
	Key     string // "" where no key is to blame
	Problem string // what is wrong and what to do
}

// Error is "file:line: key: problem".
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	for _, part := range []string{e.Key, e.Problem} {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	return b.String()
}

// entry is one setting of a properties file.
type entry struct {
	line       int // of its beginning
	key, value string
}

// readProperties divides a Java properties file into its settings, each with its line. The library that decodes them knows
// no lines of what it has read, so it is given one setting at a time. ${…} has no meaning, as for Kafka's clients.
func readProperties(file string, content []byte) ([]entry, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(content, 0) >= 0 {
		return nil, &ConfigError{File: file, Problem: "is no text: expected lines of key=value; a key store goes into another file"}
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(content))
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	var entries []entry
	var errs []error
	lines := strings.Split(text, "\n")
	for at := 0; at < len(lines); {
		begin := at
		first := strings.TrimLeft(lines[at], " \t\f")
		at++
		if first == "" || first[0] == '#' || first[0] == '!' {
			continue
		}
		whole := first
		for continues(whole) && at < len(lines) {
			whole = whole[:len(whole)-1] + strings.TrimLeft(lines[at], " \t\f")
			at++
		}
		if continues(whole) {
			whole = whole[:len(whole)-1] // the file ends after a backslash
		}
		fail := func(problem string) {
			errs = append(errs, &ConfigError{File: file, Line: begin + 1, Problem: problem})
		}
		if !strings.ContainsAny(whole, "=:") {
			fail(`expected key=value; if it belongs to the line before, that one must end with \`)
			continue
		}
		parsed, err := loader.LoadBytes([]byte(whole))
		if err != nil || parsed.Len() != 1 {
			fail(`cannot be read: a backslash is written as \\`) // the library's error may show the value
			continue
		}
		key := parsed.Keys()[0]
		value, _ := parsed.Get(key)
		entries = append(entries, entry{line: begin + 1, key: key, value: strings.TrimSpace(value)})
	}
	return entries, errors.Join(errs...)
}

// continues says whether a line ends with a backslash that is not itself escaped.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}
