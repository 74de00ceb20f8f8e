package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var errNoVariable = errors.New(`"${" must be followed by the name of an environment variable, perhaps ":-" and a default, and "}"; for the text itself write "$${"`)

// expandEnv replaces ${NAME} by the environment variable of that name and
// ${NAME:-default} by the default where the variable is unset or empty. $${
// stands for ${ itself. A dollar sign without a brace means nothing: time
// expressions are full of them. Errors name the variable and no value.
func expandEnv(lookup func(string) (string, bool)) func(text string) (string, error) {
	return func(text string) (string, error) {
		if !strings.Contains(text, "${") {
			return text, nil
		}
		var out strings.Builder
		for {
			i := strings.Index(text, "${")
			if i < 0 {
				break
			}
			if i > 0 && text[i-1] == '$' {
				out.WriteString(text[:i-1] + "${")
				text = text[i+2:]
				continue
			}
			out.WriteString(text[:i])
			inside, after, closed := strings.Cut(text[i+2:], "}")
			name, fallback, hasFallback := strings.Cut(inside, ":-")
			if !closed || !variable.MatchString(name) || strings.Contains(fallback, "${") {
				return "", errNoVariable
			}
			value, set := lookup(name)
			if hasFallback && value == "" {
				value, set = fallback, true
			}
			if !set {
				return "", fmt.Errorf("the environment variable %s is not set; ${%s:-...} would give it a default", name, name)
			}
			out.WriteString(value)
			text = after
		}
		return out.String() + text, nil
	}
}
