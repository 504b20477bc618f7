internal import MilvusWire

/// Wrong usage: the message names what is wrong and, where there is one, the nearest right name.
struct UsageError: Error, Equatable {
  var message: String
  init(_ message: String) { self.message = message }
}

/// GNU options: `--name value`, `--name=value`, `--switch`, `-d value`, `-dvalue`, several short switches in one word; `--` ends the options,
/// `-` is an argument. Options and arguments may stand in any order. Pure.
struct ArgumentParser {
  let command: Command

  /// nil: help was asked for.
  func parse(_ arguments: [String]) throws(UsageError) -> Invocation? {
    var invocation = Invocation(command: command)
    var rest = arguments[...]
    var optionsEnded = false
    while let word = rest.popFirst() {
      if optionsEnded || !word.hasPrefix("-") || word == "-" {
        try take(argument: word, into: &invocation)
      } else if word == "--" {
        optionsEnded = true
      } else if word == "--help" || word == "-h" {
        return nil
      } else if word.hasPrefix("--") {
        try take(long: word, rest: &rest, into: &invocation)
      } else {
        try take(short: word, rest: &rest, into: &invocation)
      }
    }
    for argument in command.arguments where argument.isRequired && invocation.arguments[argument.name] == nil {
      throw UsageError("\(argument.name) is missing: \(command.usage).")
    }
    return invocation
  }

  private func take(argument word: String, into invocation: inout Invocation) throws(UsageError) {
    guard !command.arguments.isEmpty else { throw UsageError("unexpected argument '\(word)'.") }
    let free = command.arguments.first { $0.isRepeatable || invocation.arguments[$0.name] == nil }
    guard let free else { throw UsageError("one argument too many: '\(word)'.") }
    guard free.choices.isEmpty || free.choices.contains(word) else {
      throw UsageError(Self.notAChoice(word, from: free.name, among: free.choices))
    }
    invocation.arguments[free.name, default: []].append(word)
  }

  private func take(long word: String, rest: inout ArraySlice<String>, into invocation: inout Invocation)
    throws(UsageError)
  {
    let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    let options = command.allOptions
    guard let option = options.first(where: { $0.name == name }) else {
      let near = NearestName.hint("--" + name, among: options.map { "--" + $0.name })
      throw UsageError("unknown option '--\(name)'.\(near)")
    }
    guard option.placeholder != nil else {
      guard parts.count == 1 else { throw UsageError("--\(name) takes no value.") }
      invocation.given[name] = ["true"]
      return
    }
    let attached = parts.count == 2 ? String(parts[1]) : nil
    try take(attached ?? rest.popFirst(), of: option, as: "--\(name)", into: &invocation)
  }

  /// One word of short options: switches, then perhaps one with a value, attached or in the next word.
  private func take(short word: String, rest: inout ArraySlice<String>, into invocation: inout Invocation)
    throws(UsageError)
  {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      guard let option = command.allOptions.first(where: { $0.short == letter }) else {
        throw UsageError("unknown option '-\(letter)'\(letters.isEmpty && word.count == 2 ? "" : " in '\(word)'").")
      }
      if option.placeholder == nil {
        invocation.given[option.name] = ["true"]
        continue
      }
      return try take(
        letters.isEmpty ? rest.popFirst() : String(letters), of: option, as: "-\(letter)", into: &invocation)
    }
  }

  private func take(
    _ value: String?, of option: CommandOption, as spelling: String, into invocation: inout Invocation
  ) throws(UsageError) {
    guard let value else {
      throw UsageError("\(spelling) needs a value: \(spelling) \(option.placeholder ?? "").")
    }
    guard option.isRepeatable || invocation.given[option.name] == nil else {
      throw UsageError("\(spelling) is given twice.")
    }
    try option.check(value, from: spelling)
    invocation.given[option.name, default: []].append(value)
  }

  fileprivate static func notAChoice(_ value: String, from place: String, among choices: [String]) -> String {
    "\(place): '\(value)' is not one of \(choices.joined(separator: ", ")).\(NearestName.hint(value, among: choices))"
  }
}

extension CommandOption {
  func check(_ value: String, from place: String) throws(UsageError) {
    guard choices.isEmpty || choices.contains(value) else {
      throw UsageError(ArgumentParser.notAChoice(value, from: place, among: choices))
    }
  }
}
