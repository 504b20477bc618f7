import Testing

/// The rules themselves, tried on text that breaks them: a rule that sees nothing would pass for ever.
@Suite struct TidyRuleTests {
  @Test func `comments and texts are not code`() {
    let file = SourceFile(path: "a.swift", text: #"let a = "try! // x" // try!\#n/* try!\#n */ let b = 1"#)
    #expect(file.codeLines().map(\.code) == ["let a = \"\" ", "", " let b = 1"])
  }

  @Test func `a function is measured from its declaration to its last brace`() {
    let file = SourceFile(
      path: "a.swift",
      text:
        "protocol P {\n  func a()\n  func b() throws\n}\nstruct S {\n  func c() {\n    if x { y() }\n  }\n  init(a: Int)\n  {\n  }\n}\n"
    )
    #expect(SizeTests.functions(of: file).map { [$0.start, $0.lines] } == [[6, 3], [9, 3]])
  }

  @Test(arguments: [
    ("try!", "let a = try! f()"), ("as!", "b as! C"), ("fatalError", "fatalError()"), ("print", "  print(a)"),
    ("force unwrap", "a!.b"),
    ("force unwrap", "f(a[0]!)"), ("force unwrap", "return x!"), ("detached task", "Task.detached { }"),
    ("blocking sleep", "usleep(10)"),
  ])
  func `a ban sees what it bans`(name: String, code: String) throws {
    let ban = try #require(BannedTests.inSources.first { $0.name == name })
    #expect(ban.pattern(code))
  }

  @Test(arguments: [
    ("print", "Console.print(a)"), ("force unwrap", "a != b"), ("force unwrap", "if !a { }"),
    ("force unwrap", "!(a)"), ("as!", "let alias = a"),
    ("blocking sleep", "try await clock.sleep(for: d)"),
  ])
  func `a ban leaves alone what only looks like it`(name: String, code: String) throws {
    let ban = try #require(BannedTests.inSources.first { $0.name == name })
    #expect(!ban.pattern(code))
  }
}
