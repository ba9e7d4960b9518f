using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using UserSvc.Tests.Attacks;

namespace UserSvc.Tests.Edge;

/// <summary>Sends one request over cleartext HTTP/2 whose fields may be anything. Text is Latin-1, one byte a character.</summary>
internal static class RawHttp2
{
    public static readonly (string Key, string Value)[] Listener = [("Kestrel:Endpoints:Http2:Url", "http://127.0.0.1:0"), ("Kestrel:Endpoints:Http2:Protocols", "Http2")];

    private const byte Goaway = 7;

    /// <summary>The answer's status, or <c>reset</c> or <c>goaway</c> with the error's number; and the block of the answer's header fields, which Kestrel writes without Huffman codes.</summary>
    public static async Task<(string Outcome, string Fields)> AskAsync(Uri server, IEnumerable<(string Name, string Value)> fields)
    {
        using var connection = await RawConnection.OpenAsync(server);
        var block = string.Concat(fields.Select(field => $"\0{Text(field.Name)}{Text(field.Value)}"));
        var headers = Http2Frame.Create(Http2Frame.Headers, Http2Frame.EndStream | Http2Frame.EndHeaders, 1, Encoding.Latin1.GetBytes(block));
        await connection.SendAsync(Encoding.Latin1.GetString([.. Http2Frame.Preface, .. headers]));
        var read = await connection.ReadUntilAsync(read => Find(read) is not null);
        return Find(read) ?? ("closed", "");
    }

    // RFC 7541, 5.2: the length, in one byte up to 126, and the octets.
    private static string Text(string value) => value.Length < 127 ? (char)value.Length + value : throw new ArgumentOutOfRangeException(nameof(value));

    private static (string, string)? Find(string read)
    {
        var bytes = Encoding.Latin1.GetBytes(read).AsSpan();
        while (bytes.Length >= 9 && BinaryPrimitives.ReadInt32BigEndian(bytes) >> 8 is var length && bytes.Length >= 9 + length)
        {
            var payload = bytes.Slice(9, length);
            switch (bytes[3])
            {
                case Http2Frame.Headers:
                    return (Status(payload), Encoding.Latin1.GetString(payload));
                case Http2Frame.ResetStream:
                    return ($"reset {BinaryPrimitives.ReadInt32BigEndian(payload)}", "");
                case Goaway when BinaryPrimitives.ReadInt32BigEndian(payload[4..]) is > 0 and var error:
                    return ($"goaway {error}", "");
            }

            bytes = bytes[(9 + length)..];
        }

        return null;
    }

    // RFC 7541, appendix A: 8 to 14 are statuses, any other is written out after an 8.
    private static string Status(ReadOnlySpan<byte> fields) => fields[0] == 8
        ? Encoding.Latin1.GetString(fields.Slice(2, 3))
        : ((int[])[200, 204, 206, 304, 400, 404, 500])[fields[0] - 0x88].ToString(CultureInfo.InvariantCulture);
}
