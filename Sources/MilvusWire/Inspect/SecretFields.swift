/// Which fields of Milvus's messages hold credentials, and what is shown in their place (`wal-protocol.md` §7.3, §3.8).
///
/// Works on the JSON form of a message beside its type, so that it covers whatever `MessageJSON` can show. A field is a secret by its name:
/// tokens and passwords of every message of `protos/`, and values of keys (properties, options, parameters) that are called like one.
package enum SecretFields {
  package static let placeholder = "<redacted>"

  /// Messages whose `token` is no credential: what an analyser made of a text, and where a search goes on.
  private static let harmless: Set<String> = [
    "milvus.proto.milvus.AnalyzerToken", "milvus.proto.schema.SearchIteratorV2Results",
  ]
  private static let names = ["password", "passwd", "token", "secret", "apikey", "api_key", "accesskey", "access_key", "credential_json"]

  /// Whether a key of a property or option is called like a secret.
  package static func isSecret(key: String) -> Bool {
    let key = key.lowercased()
    return names.contains { key.contains($0) }
  }

  /// The value with every secret in it replaced, and how many there were. Empty secrets stay: that they are empty is worth seeing.
  package static func redact(_ value: JSONValue, as type: MessageDescriptor?) -> (value: JSONValue, count: Int) {
    var count = 0
    return (redact(value, type, &count), count)
  }

  private static func redact(_ value: JSONValue, _ type: MessageDescriptor?, _ count: inout Int) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.map { redact($0, type, &count) })
    case .object(let object):
      var result = JSONObject()
      let pairKey = object["key"]?.stringValue
      for (name, member) in object.members {
        let field = type?.field(named: name) ?? type?.fields.first { MessageJSON.lowerCamel($0.name) == name }
        if let field, field.isMap, case .object(let entries) = member {
          result[name] = .object(redact(map: entries, field, &count))
        } else if isSecretField(name, of: type) || (name == "value" && pairKey.map(isSecret(key:)) == true) {
          result[name] = hide(member, &count)
        } else {
          result[name] = redact(member, field?.message, &count)
        }
      }
      return .object(result)
    case .null, .bool, .number, .string: return value
    }
  }

  private static func redact(map: JSONObject, _ field: FieldDescriptor, _ count: inout Int) -> JSONObject {
    let inner = field.message?.field(number: 2)?.message
    var result = JSONObject()
    for (key, member) in map.members {
      result[key] = inner == nil && isSecret(key: key) ? hide(member, &count) : redact(member, inner, &count)
    }
    return result
  }

  private static func isSecretField(_ name: String, of type: MessageDescriptor?) -> Bool {
    if let type, harmless.contains(type.name) { return false }
    switch name.lowercased() {
    case "password", "oldpassword", "newpassword", "encrypted_password", "encryptedpassword", "sha256_password", "sha256password", "token":
      return true
    default: return false
    }
  }

  private static func hide(_ value: JSONValue, _ count: inout Int) -> JSONValue {
    switch value {
    case .string(let text) where text.isEmpty: return value
    case .string, .number, .array, .object:
      count += 1
      return .string(placeholder)
    case .null, .bool: return value
    }
  }
}
