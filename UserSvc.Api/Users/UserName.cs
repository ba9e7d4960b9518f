using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

/// <summary>
/// The rule for names: 1 to 64 Unicode scalars after NFC; a letter or digit first, then letters, digits, combining marks or
/// <c>. _ @ + -</c>. Names are case-sensitive and compared by code point. <c>health</c> is reserved in upper and lower case, because
/// the router ignores case. A new user's name must also pass <see cref="IsDistinct"/>; users that were stored before the rule keep theirs.
/// </summary>
internal static class UserName
{
    public const string Rule =
        "A name is 1 to 64 characters: a letter or digit, then letters, digits, combining marks or any of . _ @ + -; 'health' is reserved.";

    public const string NewRule =
        "The name of a new user must not contain invisible characters, or variants of other characters such as full-width letters and ligatures.";

    public const int MaxScalars = 64;

    /// <summary>The rule for clients, as a regular expression in Unicode mode. Length aside, it accepts what <see cref="TryNormalize"/> accepts.</summary>
    public const string Pattern = """^(?![Hh][Ee][Aa][Ll][Tt][Hh]$)[\p{L}\p{Nd}][\p{L}\p{Nd}\p{M}._@+\-]*$""";

    // A scalar decomposes canonically into at most four scalars, each of at most two UTF-16 units.
    private const int MaxRawLength = MaxScalars * 4 * 2;

    // Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt: drawn as nothing.
    private static readonly (int First, int Last)[] Invisible =
    [
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F),
        (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    ];

    /// <exception cref="InvalidConfigurationException">The process runs without ICU: under invariant globalization, Normalize silently does nothing.</exception>
    public static void RequireNormalization()
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC) != "\u00e9")
        {
            throw new InvalidConfigurationException(
                "Unicode normalization does not work, so one name could belong to several users: run with ICU and without DOTNET_SYSTEM_GLOBALIZATION_INVARIANT.");
        }
    }

    public static bool TryNormalize(string raw, [NotNullWhen(true)] out string? name)
    {
        name = null;
        if (raw.Length is 0 or > MaxRawLength || !Text.IsText(raw))
        {
            return false;
        }

        var normal = raw.Normalize(NormalizationForm.FormC);
        if (!IsWellFormed(normal) || normal.Equals("health", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        name = normal;
        return true;
    }

    /// <summary>
    /// Whether a normalized name is free of what PRECIS's IdentifierClass forbids because it looks like nothing, or like another character
    /// (RFC 8264, 9.13 and 9.17). Letters of different scripts may still look alike.
    /// </summary>
    public static bool IsDistinct(string name) =>
        name.IsNormalized(NormalizationForm.FormKC) && !name.EnumerateRunes().Any(rune => Invisible.Any(range => rune.Value >= range.First && rune.Value <= range.Last));

    private static bool IsWellFormed(string name)
    {
        var scalars = 0;
        foreach (var rune in name.EnumerateRunes())
        {
            if (++scalars > MaxScalars || !(Rune.IsLetterOrDigit(rune) || (scalars > 1 && IsFollower(rune))))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsFollower(Rune rune) => rune.Value is '.' or '_' or '@' or '+' or '-'
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
}
