import Foundation
import TestSupport
import Testing

/// What the completion scripts offer. bash's is run in a bash; zsh's and fish's are run where these shells are installed and always compared with
/// what was once seen working.
@Suite struct CompletionTests {
  /// What bash would offer for the words of a line, the last of which is being typed.
  private func offers(_ words: [String]) throws -> Set<String> {
    let bridge = TestPaths.productsDirectory.appending(path: "cdc-bridge").path
    let script = """
      source <('\(bridge)' completion bash)
      cdc-bridge() { '\(bridge)' "$@"; }
      COMP_WORDS=(cdc-bridge "$@"); COMP_CWORD=$#
      _cdc_bridge
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let run = try ProgramRun(
      URL(filePath: "/bin/bash"), ["-c", script, "bash"] + words, environment: ["PATH": "/usr/bin:/bin"])
    #expect(run.exitCode == 0 && run.error.isEmpty, "\(run)")
    return Set(run.output.split(separator: "\n").map(String.init))
  }

  @Test func `bash completes commands, options, choices and commands of help`() throws {
    #expect(try offers(["s"]).isSuperset(of: ["serve", "sync", "sandbox"]))
    #expect(try offers(["s"]).allSatisfy { $0.hasPrefix("s") })
    #expect(try offers(["compare", "--source-u"]) == ["--source-uri"])
    #expect(try offers(["serve", "--log-level", ""]) == ["debug", "info", "warn", "error"])
    #expect(try offers(["serve", "--log-level", "=", "w"]) == ["warn"])
    #expect(try offers(["help", "comp"]) == ["compare", "completion"])
    #expect(try offers(["completion", ""]) == ["bash", "zsh", "fish"])
    #expect(try offers(["serve", "--listen", ""]) == [])
  }

  @Test func `bash completes directories where a directory is wanted`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-bash-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder.appending(path: "data"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data().write(to: folder.appending(path: "dates"))
    let start = folder.appending(path: "da").path
    #expect(try offers(["serve", "--data-dir", start]) == [folder.appending(path: "data").path])
    #expect(
      try offers(["serve", "--config", start])
        == [folder.appending(path: "data").path, folder.appending(path: "dates").path])
  }

  /// Each script names each command and each of its options.
  @Test(arguments: ["bash", "zsh", "fish"])
  func `a script holds every command and every option`(shell: String) throws {
    let script = try ProgramRun.bridge(["completion", shell])
    #expect(script.exitCode == 0)
    let commands = try ProgramRun.bridge(["--help"]).output.matches(of: /\n  ([a-z]+)  +[^ ]/).map { String($0.1) }
    for command in commands {
      #expect(script.output.contains(command))
      for option in try ProgramRun.bridge([command, "--help"]).output.matches(of: /\n  (?:-\w, )?--([a-z-]+)/) {
        #expect(script.output.contains(shell == "fish" ? "-l \(option.1)" : "--\(option.1)"), "\(command) \(option.1)")
      }
    }
  }

  @Test(arguments: ["zsh", "fish"])
  func `a script is a program that its shell can read`(shell: String) throws {
    let program = URL(filePath: "/usr/bin/\(shell)")
    guard FileManager.default.fileExists(atPath: program.path) else { return }
    let file = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString).\(shell)")
    defer { try? FileManager.default.removeItem(at: file) }
    try ProgramRun.bridge(["completion", shell]).output.write(to: file, atomically: true, encoding: .utf8)
    let run = try ProgramRun(program, ["-n", file.path])
    #expect(run.exitCode == 0 && run.error.isEmpty, "\(run)")
  }

  /// What fish and zsh themselves make of the scripts.
  @Test func `fish offers what it should`() throws {
    guard let offered = try Self.fish("cdc-bridge replay --app", "cdc-bridge salvage --on-conflict k", "cdc-bridge rep") else { return }
    #expect(offered.contains("--apply"))
    #expect(offered.contains("keep-new"))
    #expect(offered.contains("replay"))
  }

  /// First words of the offers for each line; nil where there is no fish.
  private static func fish(_ lines: String...) throws -> Set<String>? {
    let program = URL(filePath: "/usr/bin/fish")
    guard FileManager.default.fileExists(atPath: program.path) else { return nil }
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-fish-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let script = folder.appending(path: "cdc-bridge.fish").path
    try ProgramRun.bridge(["completion", "fish"]).output.write(toFile: script, atomically: true, encoding: .utf8)
    let asks = lines.map { "complete -C '\($0)'" }.joined(separator: "; ")
    let run = try ProgramRun(
      program, ["--no-config", "-c", "source \(script); \(asks)"], environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path])
    #expect(run.exitCode == 0, "\(run)")
    return Set(run.output.split(separator: "\n").compactMap { $0.split(separator: "\t").first.map(String.init) })
  }

  @Test func `zsh takes the script for the completion of cdc-bridge`() throws {
    let program = URL(filePath: "/usr/bin/zsh")
    guard FileManager.default.fileExists(atPath: program.path) else { return }
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-zsh-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try ProgramRun.bridge(["completion", "zsh"]).output.write(
      to: folder.appending(path: "_cdc-bridge"), atomically: true, encoding: .utf8)
    let script = "fpath=(\(folder.path) $fpath); autoload -Uz compinit; compinit -D -u; print -r -- $_comps[cdc-bridge]"
    let run = try ProgramRun(program, ["-f", "-c", script], environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path])
    #expect(run.exitCode == 0 && run.output == "_cdc-bridge\n", "\(run)")
  }
}
