using System.Text;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// Makes Kestrel refuse a Content-Length that is anything but digits (RFC 9110, 8.6): it would read <c>+5</c> as 5, where a proxy before it may
/// read none. Kestrel asks for the encoding of each header's value, and parses what this one makes of it.
/// </summary>
internal sealed class ContentLengthDigits : ASCIIEncoding
{
    private const string NoNumber = "-";

    private static readonly ContentLengthDigits Instance = new();

    public static Encoding? Select(string header) => header == "Content-Length" ? Instance : null;

    public override int GetChars(ReadOnlySpan<byte> bytes, Span<char> chars)
    {
        if (bytes.Length <= chars.Length && !bytes.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return base.GetChars(bytes, chars);
        }

        NoNumber.CopyTo(chars);
        return NoNumber.Length;
    }
}
