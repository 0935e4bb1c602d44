package external

import (
	"errors"
	"fmt"
	"strings"

	"lkbench/internal/kafka"
)

// jaasLogin reads the user and the password out of sasl.jaas.config, the form in which Kafka's Java client wants them:
//
//	org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";
//
// Errors show no value.
func jaasLogin(text, mechanism string) (user, password string, err error) {
	words, err := jaasWords(text)
	if err != nil {
		return "", "", err
	}
	if len(words) < 2 {
		return "", "", errors.New(`expected MODULE required username="…" password="…";`)
	}
	module := words[0][strings.LastIndex(words[0], ".")+1:]
	want := "ScramLoginModule"
	if mechanism == kafka.Plain {
		want = "PlainLoginModule"
	}
	if module != want {
		if module != "ScramLoginModule" && module != "PlainLoginModule" {
			return "", "", errors.New("its login module is neither PlainLoginModule nor ScramLoginModule: lkbench signs in with a user and a password " +
				"(sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512)")
		}
		return "", "", fmt.Errorf("its login module is %s, but sasl.mechanism %s needs %s", module, mechanism, want)
	}
	if words[1] != "required" {
		return "", "", errors.New(`expected "required" after the login module`)
	}
	given := map[string]string{}
	for _, word := range words[2:] {
		key, value, found := strings.Cut(word, "=")
		if !found || key != "username" && key != "password" {
			return "", "", errors.New(`expected username="…" and password="…", nothing else`)
		}
		if _, twice := given[key]; twice {
			return "", "", fmt.Errorf("%s is given twice", key)
		}
		given[key] = value
	}
	for _, key := range []string{"username", "password"} {
		if given[key] == "" {
			return "", "", fmt.Errorf("%s is missing or empty", key)
		}
	}
	return given["username"], given["password"], nil
}

// jaasWords divides the text at spaces outside of quotes and takes the quotes away. One entry, ended by a semicolon.
func jaasWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == ';':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			if c == ';' {
				if strings.TrimSpace(text[i+1:]) != "" {
					return nil, errors.New("something follows after the semicolon: expected one login module")
				}
				return words, nil
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	return nil, errors.New("the semicolon at its end is missing")
}
