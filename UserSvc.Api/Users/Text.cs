using System.Text;

namespace UserSvc.Api.Users;

/// <summary>What every text of a request has to keep to, whatever it means.</summary>
internal static class Text
{
    /// <summary>True for UTF-16 that is no Unicode text; <see cref="string.Normalize()"/> throws on it.</summary>
    public static bool HasLoneSurrogate(string text)
    {
        for (var i = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF'); i >= 0 && i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The length in Unicode scalars, the unit of every limit on text.</summary>
    public static int Scalars(string text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }

    /// <summary>The bytes that are hashed: UTF-8 of the NFC form, so that one password has one form on every keyboard.</summary>
    public static byte[] PasswordBytes(string password) => Encoding.UTF8.GetBytes(password.Normalize(NormalizationForm.FormC));
}
