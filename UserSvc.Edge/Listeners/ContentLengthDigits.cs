using System.Text;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// Makes Kestrel refuse a Content-Length that is not all digits (RFC 9110, 8.6). Kestrel would read <c>+5</c> as 5 where a proxy in front
/// of the edge may see no length at all. It parses the text that a header's encoding returns.
/// </summary>
internal sealed class ContentLengthDigits : ASCIIEncoding
{
    private const string NotANumber = "-";

    public static ContentLengthDigits Instance { get; } = new();

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
