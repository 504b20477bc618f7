internal import MilvusWire

/// The version that `--version`, `GET /version` and the user agent show.
package let bridgeVersion = ProductVersion.text
