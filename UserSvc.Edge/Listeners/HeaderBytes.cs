using System.Text;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// How header values become text: Latin-1, one character a byte, in both directions and towards both sides. Any bytes that HTTP allows come out
/// as they came in (RFC 9110, 5.5); with UTF-8 some could not be read, and with ASCII, Kestrel's choice for answers, not be written.
/// </summary>
internal static class HeaderBytes
{
    private static readonly Digits ContentLengthDigits = new();

    public static Encoding ForRequest(string header) => header == HeaderNames.ContentLength ? ContentLengthDigits : Encoding.Latin1;

    public static Encoding ForAnswer(string header) => Encoding.Latin1;

    public static Encoding ForUpstream(string header, HttpRequestMessage request) => Encoding.Latin1;

    /// <summary>A value as a person reads it: as UTF-8 if it is, otherwise as Latin-1.</summary>
    public static string? Read(string? value) =>
        value is not null && !Ascii.IsValid(value) && Encoding.Latin1.GetBytes(value) is var bytes && Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : value;

    /// <summary>
    /// Makes Kestrel refuse a Content-Length that is not all digits (RFC 9110, 8.6). Kestrel would read <c>+5</c> as 5 where a proxy in front
    /// of the edge may see no length at all. It parses the text that a header's encoding returns.
    /// </summary>
    private sealed class Digits : ASCIIEncoding
    {
        private const string NotANumber = "-";

        public override int GetChars(ReadOnlySpan<byte> bytes, Span<char> chars)
        {
            if (bytes.Length <= chars.Length && !bytes.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            {
                return base.GetChars(bytes, chars);
            }

            NotANumber.CopyTo(chars);
            return NotANumber.Length;
        }
    }
}
