internal import FoundationEssentials
internal import MilvusWire

/// What a command was called with. A value comes from its option, else from the environment, else from the `--config` file.
struct Invocation: Sendable {
  var command: Command?
  var given: [String: [String]] = [:]
  /// By the name of the declared argument.
  var arguments: [String: [String]] = [:]
  var environment = ProcessInfo.processInfo.environment
  private var configuration = JSONObject()

  init(command: Command? = nil) { self.command = command }

  /// Reads the file that `--config` or CDC_BRIDGE_CONFIG names. Unknown keys are mistakes somebody should hear about.
  mutating func loadConfiguration() throws {
    guard let path = try string("config") else { return }
    let bytes = try InputFile.read(path, what: "the configuration file")
    let value: JSONValue
    do { value = try JSONParser.parse(bytes) } catch { throw UsageError("\(path): \(error)") }
    guard let object = value.objectValue else { throw UsageError("\(path): expected a JSON object.") }
    let keys = allOptions.map(\.configurationKey)
    for (key, _) in object.members where !keys.contains(key) {
      throw UsageError("\(path): unknown key '\(key)'.\(NearestName.hint(key, among: keys))")
    }
    configuration = object
  }

  /// What stands for a declared argument; nil where it was left out.
  func argument(_ name: String) -> String? { arguments[name]?.last }

  func string(_ name: String) throws(UsageError) -> String? { try strings(name).last }

  func strings(_ name: String) throws(UsageError) -> [String] {
    if let values = given[name] { return values }
    guard let option = allOptions.first(where: { $0.name == name }) else { return [] }
    if let value = environment[option.environmentName], !value.isEmpty {
      try option.check(value, from: option.environmentName)
      return [value]
    }
    guard let value = configuration[option.configurationKey], value != .null else { return [] }
    let values = try texts(value, key: option.configurationKey)
    for text in values { try option.check(text, from: option.configurationKey) }
    return values
  }

  func required(_ name: String) throws(UsageError) -> String {
    if let value = try string(name) { return value }
    let option = allOptions.first { $0.name == name }
    throw UsageError(
      "--\(name) is missing: --\(name) \(option?.placeholder ?? "") (or \(option?.environmentName ?? "")).")
  }

  /// A switch: given, or `true`/`1` in the environment, or `true` in the configuration file.
  func flag(_ name: String) throws(UsageError) -> Bool {
    guard let value = try string(name) else { return false }
    switch value {
    case "true", "1", "yes": return true
    case "false", "0", "no": return false
    default: throw UsageError("--\(name): expected true or false, found '\(value)'.")
    }
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
    guard let text = try string(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw UsageError(
        "--\(name): expected a number from \(range.lowerBound) to \(range.upperBound), found '\(text)'.")
    }
    return number
  }

  /// A number of seconds, fractions allowed, above zero and at most 30 days.
  func seconds(_ name: String) throws(UsageError) -> Duration? {
    guard let text = try string(name) else { return nil }
    guard let number = Double(text), number > 0, number <= 2_592_000 else {
      throw UsageError("--\(name): expected seconds, more than 0 and at most 2592000, found '\(text)'.")
    }
    return .seconds(number)
  }

  private var allOptions: [CommandOption] { command?.allOptions ?? [] }

  private func texts(_ value: JSONValue, key: String) throws(UsageError) -> [String] {
    if let list = value.arrayValue {
      var all: [String] = []
      for element in list { all += try texts(element, key: key) }
      return all
    }
    if let text = value.stringValue { return [text] }
    if let flag = value.boolValue { return [flag ? "true" : "false"] }
    if let number = value.int64Value { return [String(number)] }
    throw UsageError("configuration: \(key): expected text, number, boolean or a list of texts.")
  }
}

/// Small files that a person names: configuration, tokens.
enum InputFile {
  /// Enough for any of them; a device or a wrong file is refused before it fills the memory.
  static let bytesMax = 1 << 20

  static func read(_ path: String, what: String, bytesMax: Int = bytesMax) throws(UsageError) -> [UInt8] {
    var bytes: [UInt8] = []
    do throws(LocalFile.Failure) {
      // Pipes too (`<(…)`); here `-` is a name like any other.
      let file = try LocalFile.reading(path == "-" ? "./-" : path)
      while bytes.count <= bytesMax {
        let part = try file.read(bytesMax: min(bytesMax, 1 << 16))
        if part.isEmpty { return bytes }
        bytes += part
      }
    } catch {
      throw UsageError("\(what) \(path) cannot be read: \(error.isMissing ? "it does not exist" : error.reason).")
    }
    throw UsageError("\(what) \(path) is larger than \(bytesMax) bytes.")
  }

  /// The first line without its end: the form every editor and secret mount writes.
  static func readSecret(_ path: String, what: String) throws(UsageError) -> Secret {
    let bytes = try read(path, what: what)
    let line = bytes.prefix { $0 != 0x0A && $0 != 0x0D }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw UsageError("\(what) \(path) is not text.")
    }
    guard !text.isEmpty else { throw UsageError("\(what) \(path) is empty.") }
    return Secret(text)
  }

  static func reason(_ error: any Error) -> String {
    guard let error = error as? CocoaError else { return "\(error)" }
    switch error.code {
    case .fileReadNoSuchFile, .fileNoSuchFile: return "it does not exist"
    case .fileReadNoPermission: return "permission denied"
    default: return "code \(error.code.rawValue)"
    }
  }
}
