/** What completes a command line in bash, whatever the commands and options are. */
export const BASH_FUNCTIONS = `
# Takes the words that begin with $1 into candidates.
_attn_diff_take() {
  local begin=$1 word
  shift
  for word; do
    if [[ $word == "$begin"* ]]; then candidates+=("$word"); fi
  done
}

# Takes files, or with -d folders, whose path begins with $3, each behind $2.
_attn_diff_paths() {
  local path
  compopt -o filenames 2> /dev/null
  while IFS= read -r path; do candidates+=("$2$path"); done < <(compgen "$1" -- "$3")
}

# Takes what the value of an option may be, of which $1 is typed; the others are its kind and its words.
_attn_diff_values() {
  local value=$1 kind=$2 head word
  shift 2
  case $kind in
    words) _attn_diff_take "$value" "$@" ;;
    list)
      head=\${value%"\${value##*,}"}
      compopt -o nospace 2> /dev/null
      for word; do
        if [[ ,$head != *",$word,"* ]]; then _attn_diff_take "$value" "$head$word"; fi
      done
      ;;
    wordFile)
      if [[ $value == *=* ]]; then
        _attn_diff_paths -f "\${value%%=*}=" "\${value#*=}"
      else
        compopt -o nospace 2> /dev/null
        _attn_diff_take "$value" "\${@/%/=}"
      fi
      ;;
    file) _attn_diff_paths -f '' "$value" ;;
    folder) _attn_diff_paths -d '' "$value" ;;
    *) compopt +o default 2> /dev/null ;;
  esac
}

_attn_diff() {
  local words=() candidates=() rest=\${COMP_LINE:0:COMP_POINT} i word
  # bash parts words at = and : and @ too. Here they are as they were typed.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 0)) && [[ $rest != [[:space:]]* ]]; then
      if ((i == COMP_CWORD)); then word=$rest; fi
      words[\${#words[@]} - 1]+=$word
    else
      rest=\${rest#"\${rest%%[![:space:]]*}"}
      if ((i == COMP_CWORD)); then word=$rest; fi
      words+=("$word")
    fi
    rest=\${rest#"$word"}
  done

  local cur=\${words[\${#words[@]} - 1]} previous='' command='' taken=() value
  if ((\${#words[@]} > 2)); then previous=\${words[\${#words[@]} - 2]}; fi
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    if [[ \${words[i]} == -* ]]; then taken+=("\${words[i]%%=*}")
    elif [[ -z $command ]]; then command=\${words[i]}; fi
  done

  local kind=()
  if [[ $cur == --*=* ]]; then
    read -ra kind <<< "$(_attn_diff_value "$command" "\${cur%%=*}")"
    if ((\${#kind[@]} > 0)); then
      _attn_diff_values "\${cur#*=}" "\${kind[@]}"
      candidates=("\${candidates[@]/#/\${cur%%=*}=}")
    fi
  else
    if [[ $previous == -* ]]; then read -ra kind <<< "$(_attn_diff_value "$command" "$previous")"; fi
    if ((\${#kind[@]} > 0)); then
      _attn_diff_values "$cur" "\${kind[@]}"
      # What begins with a dash would be taken for an option.
      for i in "\${!candidates[@]}"; do
        if [[ \${candidates[i]} == -* ]]; then unset "candidates[i]"; fi
      done
    else
      read -ra kind <<< "$(_attn_diff_value "$command" -)"
      if [[ $cur != -* ]] && ((\${#kind[@]} > 0)); then
        _attn_diff_values "$cur" "\${kind[@]}"
      else
        for word in $(_attn_diff_options "$command"); do
          if [[ " \${taken[*]} " != *" $word "* ]] || _attn_diff_repeats "$command" "$word"; then _attn_diff_take "$cur" "$word"; fi
        done
        if ((\${#candidates[@]} == 0)); then compopt +o default 2> /dev/null; fi
      fi
    fi
  fi

  # bash replaces only what follows the last = or : at which it parts words, or what begins with the last @.
  local own=$cur
  for word in = :; do
    if [[ $COMP_WORDBREAKS == *$word* ]]; then own=\${own##*"$word"}; fi
  done
  if [[ $COMP_WORDBREAKS == *@* && $own == *@* ]]; then own=@\${own##*@}; fi
  COMPREPLY=("\${candidates[@]#"\${cur%"$own"}"}")
}

complete -o default -F _attn_diff attn-diff
`;
