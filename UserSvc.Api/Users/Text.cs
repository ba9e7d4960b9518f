using System.Buffers;

namespace UserSvc.Api.Users;

internal static class Text
{
    private static readonly SearchValues<char> Suspect = SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(c => (char)c), '\uFFFE']);

    /// <summary>False for what <see cref="string.Normalize()"/> throws on: lone surrogates, and U+FFFE, the byte-swapped byte order mark.</summary>
    public static bool IsText(string text)
    {
        for (var i = text.AsSpan().IndexOfAny(Suspect); i >= 0 && i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]) || text[i] == '\uFFFE')
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The length in Unicode scalars, the unit of every limit on text.</summary>
    public static int CountScalars(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }
}
