using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace UserSvc.Api.Users;

/// <summary>
/// The rule for names: 1 to 64 Unicode scalars after NFC; a letter or digit first, then letters, digits, combining marks or
/// <c>. _ @ + -</c>. Names are case-sensitive and compared by code point. <c>health</c> is reserved in upper and lower case, because
/// the router ignores case.
/// </summary>
internal static class UserName
{
    public const string Rule =
        "A name is 1 to 64 characters: a letter or digit, then letters, digits, combining marks or any of . _ @ + -; 'health' is reserved.";

    private const int MaxScalars = 64;

    // A scalar decomposes canonically into at most four scalars, each of at most two UTF-16 units.
    private const int MaxRawLength = MaxScalars * 4 * 2;

    /// <exception cref="InvalidOperationException">The process runs without ICU: under invariant globalization, Normalize silently does nothing.</exception>
    public static void RequireNormalization()
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC) != "\u00e9")
        {
            throw new InvalidOperationException(
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
