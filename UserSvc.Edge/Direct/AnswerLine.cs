using System.Buffers;
using System.Text;

namespace UserSvc.Edge.Direct;

/// <summary>Lines of an answer: of its head, around its chunks, and its trailers.</summary>
internal static class AnswerLine
{
    private const int MaxFields = 100;

    /// <summary>All but the tab.</summary>
    public static readonly SearchValues<byte> Controls = SearchValues.Create([.. Enumerable.Range(0, ' ').Where(c => c != '\t').Select(c => (byte)c), 0x7f]);

    private static readonly SearchValues<byte> Token = SearchValues.Create("!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"u8);

    /// <summary>Takes a line, without its CRLF, off what has been received.</summary>
    /// <returns>False while it is incomplete.</returns>
    /// <exception cref="InvalidAnswerException">It ends in LF alone.</exception>
    public static bool TryRead(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> line)
    {
        var end = rest.IndexOf((byte)'\n');
        line = end < 0 ? default
            : end > 0 && rest[end - 1] == '\r' ? rest[..(end - 1)]
            : throw new InvalidAnswerException("A line of the answer does not end in CRLF.");
        rest = rest[(end + 1)..];
        return end >= 0;
    }

    /// <summary>Finds the end of a field's name. A line that begins with a space continues the one before (obs-fold), which no recipient should meet.</summary>
    /// <param name="line">A field's.</param>
    /// <param name="before">The number of fields before this one.</param>
    public static int FindColon(ReadOnlySpan<byte> line, int before)
    {
        var colon = line.IndexOf((byte)':');
        return colon <= 0 || line[..colon].ContainsAnyExcept(Token) ? throw new InvalidAnswerException("A field's name in the answer is malformed.")
            : line[(colon + 1)..].ContainsAny(Controls) ? throw new InvalidAnswerException("A field's value in the answer contains a control character.")
            : before == MaxFields ? throw new InvalidAnswerException($"The answer has more than {MaxFields} fields.")
            : colon;
    }
}

/// <summary>A field of an answer. Its strings serve the next answer too if that has the same line: most of an upstream's answers differ in few.</summary>
internal sealed class AnswerField
{
    private byte[] _line = [];
    private int _length, _colon;

    public string Name { get; private set; } = "";

    public string Value { get; private set; } = "";

    public bool Is(string name) => Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    // Name: value
    public void Set(ReadOnlySpan<byte> line, int colon)
    {
        var before = _line.AsSpan(0, _length);
        if (line.SequenceEqual(before))
        {
            return;
        }

        if (colon != _colon || !before.StartsWith(line[..colon]))
        {
            Name = Encoding.Latin1.GetString(line[..colon]);
        }

        Value = Encoding.Latin1.GetString(line[(colon + 1)..].Trim(" \t"u8));
        (_length, _colon) = (line.Length, colon);
        if (_line.Length < _length)
        {
            _line = new byte[_length + 16];
        }

        line.CopyTo(_line);
    }
}

/// <summary>The upstream does not speak HTTP/1.1 as RFC 9112 has it. Nothing on its connection can be trusted.</summary>
internal sealed class InvalidAnswerException(string message) : HttpRequestException(HttpRequestError.InvalidResponse, message);
