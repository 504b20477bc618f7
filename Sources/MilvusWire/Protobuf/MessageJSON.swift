/// Turns messages into proto3 JSON and back, straight from descriptors: no structure, no unpacking (protobuf
/// "ProtoJSON Format").
///
/// 64-bit integers are texts, bytes are base64, enums their names, map keys texts, NaN and the infinities
/// texts. Fields at their default are left out unless they belong to a oneof or are asked for; unknown fields are
/// left out and reported. Input may use either spelling of a name.
package struct MessageJSON: Sendable {
  /// How field names are spelled in what is written.
  package enum Names: Sendable { case proto, lowerCamel }
  package struct Limits: Sendable {
    /// Messages inside each other.
    package var depthMax: Int
    /// Values in the whole tree: a packed list gives one for each byte.
    package var valueCountMax: Int
    package init(depthMax: Int = 100, valueCountMax: Int = 10_000_000) {
      (self.depthMax, self.valueCountMax) = (depthMax, valueCountMax)
    }
  }
  package var names: Names
  package var limits: Limits
  /// Shows fields without presence that are at their default too, lists as `[]`, maps as `{}`.
  package var showsDefaults = false
  /// Wrong wire types and texts that are not UTF-8 are reported and not refused.
  package var isLenient = false
  /// nil: ProtoJSON and nothing else.
  package var presentation: (any MessagePresentation)?

  package init(names: Names = .proto, limits: Limits = Limits()) {
    self.names = names
    self.limits = limits
  }

  package func json(of bytes: [UInt8], as type: MessageDescriptor) throws(ProtobufError) -> JSONValue {
    try decode(bytes, as: type).json
  }

  /// The JSON of a message, and what it does not show.
  package func decode(_ bytes: [UInt8], as type: MessageDescriptor) throws(ProtobufError)
    -> (json: JSONValue, oddities: [WireOddity])
  {
    var reader = MessageJSONReader(bytes: bytes, form: self)
    let json = try reader.message([0..<bytes.count], type, depth: 1)
    return (json, reader.oddities.all)
  }

  package func bytes(of json: JSONValue, as type: MessageDescriptor) throws(ProtobufError) -> [UInt8] {
    let writer = MessageJSONWriter(limits: limits, presentation: presentation)
    return try writer.message(json, type, path: "", depth: 1)
  }

  /// `google.protobuf.FieldMask` has a form of its own: its paths as one text. `protos/wal.proto` has it
  /// under the log's package.
  static func isFieldMask(_ type: MessageDescriptor) -> Bool {
    type.name == "milvus.proto.messages.FieldMask"
  }

  /// protoc's rule for JSON names: an underscore goes and the next letter becomes a capital.
  static func lowerCamel(_ name: String) -> String {
    guard name.utf8.contains(UInt8(ascii: "_")) else { return name }
    var text = ""
    var capital = false
    for character in name {
      if character == "_" {
        capital = true
      } else {
        text += capital ? character.uppercased() : String(character)
        capital = false
      }
    }
    return text
  }

  /// The other way, for the paths of a field mask.
  static func snake(_ name: some StringProtocol) -> String {
    name.reduce(into: "") { text, character in
      text += character.isUppercase ? "_" + character.lowercased() : String(character)
    }
  }
}
