import { Argument, Command } from 'commander';
import { EXIT, line } from '../terminal.js';
import type { Terminal } from '../terminal.js';

/** Each asks `exequatur completion words -- <typed…>`, so that it never lags behind the commands. */
const SCRIPTS = {
  bash: `_exequatur() {
  local typed=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=($(compgen -f -W "$(exequatur completion words -- "\${typed[@]}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _exequatur exequatur`,
  zsh: `#compdef exequatur
_exequatur() {
  local -a found
  found=(\${(f)"$(exequatur completion words -- "\${words[@]:1:$((CURRENT - 2))}" 2>/dev/null)"})
  compadd -a found
  _files
}
compdef _exequatur exequatur`,
  fish: `function __exequatur_words
  set -l typed (commandline -opc)
  exequatur completion words -- $typed[2..-1] 2>/dev/null
end
complete -c exequatur -a '(__exequatur_words)'`,
} as const;

/** `exequatur completion <shell>` prints what the shell is to load. */
export const completionCommand = (terminal: Terminal, end: (exit: number) => void, program: () => Command): Command => {
  const completion = new Command('completion')
    .description('Completion for a shell: bash, zsh, fish')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', '\nExamples:\n  source <(exequatur completion bash)\n  exequatur completion fish > ~/.config/fish/completions/exequatur.fish')
    .action((shell: keyof typeof SCRIPTS) => {
      line(terminal, SCRIPTS[shell]);
      end(EXIT.done);
    });
  completion
    .command('words', { hidden: true })
    .argument('[typed...]')
    .action((typed: string[]) => {
      for (const word of wordsAfter(program(), typed)) line(terminal, word);
      end(EXIT.done);
    });
  return completion;
};

/** What may come after these words: subcommands, and options that were not given. */
export const wordsAfter = (program: Command, typed: readonly string[]): readonly string[] => {
  let at = program;
  for (const word of typed) at = at.commands.find((each) => each.name() === word) ?? at;
  const visible = at.createHelp().visibleCommands(at).map((each) => each.name());
  const choices = at.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const options = at.createHelp().visibleOptions(at).flatMap(({ long }) => long ?? []);
  return [...visible, ...choices, ...options.filter((option) => !typed.includes(option))];
};
