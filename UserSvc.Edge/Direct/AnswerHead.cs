using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Direct;

/// <summary>How the end of an answer's body is found (RFC 9112, 6.3).</summary>
internal enum AnswerBody { None, Length, Chunked, UntilClose }

/// <summary>
/// The status line and fields of an answer, read strictly: where RFC 9112 lets a recipient choose, what is malformed is refused, since another
/// reader might see another answer. Field values are opaque bytes, kept as Latin-1.
/// </summary>
internal sealed class AnswerHead
{
    private readonly List<AnswerField> _fields = [];
    private int _count;
    private bool _closes, _chunked;

    public Version Version { get; private set; } = HttpVersion.Version11;

    public int Status { get; private set; }

    /// <summary>Null if it is the usual one.</summary>
    public string? Reason { get; private set; }

    public ReadOnlySpan<AnswerField> Fields => CollectionsMarshal.AsSpan(_fields)[.._count];

    public AnswerBody Body { get; private set; }

    /// <summary>What Content-Length says; null without it.</summary>
    public long? Length { get; private set; }

    /// <summary>Whether the connection can carry another request once the body has been read.</summary>
    public bool KeepsAlive => Version.Minor == 1 && !_closes && Body is not AnswerBody.UntilClose;

    /// <summary>Whether the instance refuses the request because it is overloaded.</summary>
    public bool IsOverloaded { get; private set; }

    /// <param name="bytes">What has been received.</param>
    /// <param name="toHead">Whether the request was a HEAD.</param>
    /// <returns>The bytes of the head; 0 while it is incomplete.</returns>
    /// <exception cref="InvalidAnswerException">It is malformed.</exception>
    public int Parse(ReadOnlySpan<byte> bytes, bool toHead)
    {
        var rest = bytes;
        if (!AnswerLine.TryRead(ref rest, out var line))
        {
            // Another protocol's line may never end.
            return "HTTP/1."u8.StartsWith(bytes[..Math.Min(bytes.Length, 7)]) ? 0 : throw new InvalidAnswerException("The answer is not one of HTTP/1.1.");
        }

        ParseStatus(line);
        (_closes, _chunked, IsOverloaded, Length, _count) = (false, false, false, null, 0);
        while (AnswerLine.TryRead(ref rest, out line))
        {
            if (line.IsEmpty)
            {
                Conclude(toHead);
                return bytes.Length - rest.Length;
            }

            ParseField(line);
        }

        return 0;
    }

    // HTTP/1.1 200 OK
    private void ParseStatus(ReadOnlySpan<byte> line)
    {
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' '
            || line[9] is < (byte)'1' or > (byte)'9' || line[10..12].ContainsAnyExceptInRange((byte)'0', (byte)'9')
            || (line.Length > 12 && line[12] != ' ') || line.ContainsAny(AnswerLine.Controls))
        {
            throw new InvalidAnswerException("The answer's status line is malformed.");
        }

        Version = line[7] == '0' ? HttpVersion.Version10 : HttpVersion.Version11;
        Status = ((line[9] - '0') * 100) + ((line[10] - '0') * 10) + line[11] - '0';
        var reason = line.Length > 13 ? line[13..] : default;
        Reason = Ascii.Equals(reason, ReasonPhrases.GetReasonPhrase(Status)) ? null : Encoding.Latin1.GetString(reason);
    }

    private void ParseField(ReadOnlySpan<byte> line)
    {
        var colon = AnswerLine.FindColon(line, _count);
        if (_count == _fields.Count)
        {
            _fields.Add(new());
        }

        var field = _fields[_count++];
        field.Set(line, colon);
        switch (field.Name.Length)
        {
            case 14 when field.Is("Content-Length"):
                Length = Length is null && long.TryParse(field.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                    ? length
                    : throw new InvalidAnswerException("The answer's length is ambiguous.");
                break;
            case 17 when field.Is("Transfer-Encoding"):
                _chunked = !_chunked && field.Value.Equals("chunked", StringComparison.OrdinalIgnoreCase)
                    ? true
                    : throw new InvalidAnswerException("The only supported Transfer-Encoding of an answer is chunked, once.");
                break;
            case 10 when field.Is("Connection"):
                _closes |= field.Value.Contains("close", StringComparison.OrdinalIgnoreCase);
                break;
            case 18 when field.Is(ProblemJson.OverloadedHeader):
                IsOverloaded = true;
                break;
        }
    }

    private void Conclude(bool toHead)
    {
        if (_chunked && (Length is not null || Version.Minor == 0))
        {
            throw new InvalidAnswerException("The answer's length is ambiguous.");
        }

        if (Status == StatusCodes.Status101SwitchingProtocols)
        {
            throw new InvalidAnswerException("The answer switches protocols, which the request did not ask for.");
        }

        Body = toHead || Status is < 200 or 204 or 304 || Length == 0 ? AnswerBody.None
            : _chunked ? AnswerBody.Chunked
            : Length is not null ? AnswerBody.Length
            : AnswerBody.UntilClose;
    }
}
